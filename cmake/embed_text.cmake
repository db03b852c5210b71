# cmake -DINPUT=FILE -DOUTPUT=FILE.c -DHEADER=a/b.h -DFUNCTION=name [-DSIZE_FUNCTION=name] -P embed_text.cmake
# Writes a C file with `const char *FUNCTION(void)`, which returns the bytes of INPUT and a NUL, and, for what is no
# text, `size_t SIZE_FUNCTION(void)`, which returns their number without the NUL.
file(READ "${INPUT}" bytes HEX)
string(REGEX REPLACE "(..)" "0x\\1, " bytes "${bytes}")
set(size_function "")
if(SIZE_FUNCTION)
    set(size_function "
size_t ${SIZE_FUNCTION}(void)
{
    return sizeof(text) - 1;
}
")
endif()
file(WRITE "${OUTPUT}" "#include \"${HEADER}\"

static const unsigned char text[] = {${bytes}0x00};

const char *${FUNCTION}(void)
{
    return (const char *)text;
}
${size_function}")
