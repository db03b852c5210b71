# cmake -DINPUT=FILE -DOUTPUT=FILE.c -DHEADER=a/b.h -DFUNCTION=name -P embed_text.cmake
# Writes a C file with `const char *FUNCTION(void)`, which returns the text of INPUT.
file(READ "${INPUT}" bytes HEX)
string(REGEX REPLACE "(..)" "0x\\1, " bytes "${bytes}")
file(WRITE "${OUTPUT}" "#include \"${HEADER}\"

static const unsigned char text[] = {${bytes}0x00};

const char *${FUNCTION}(void)
{
    return (const char *)text;
}
")
