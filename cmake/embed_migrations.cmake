# Writes OUTPUT, a C file with every NNNN_name.sql of FOLDER as an array of bytes, ordered by number.
# Run as: cmake -DFOLDER=... -DOUTPUT=... -P embed_migrations.cmake
# Bytes instead of string literals, because compilers need not take literals over 4095 bytes.
file(GLOB files "${FOLDER}/*.sql")
list(SORT files)
set(texts "")
set(rows "")
set(expected 1)
foreach(file IN LISTS files)
    get_filename_component(name "${file}" NAME_WE)
    if(NOT name MATCHES "^([0-9][0-9][0-9][0-9])_[a-z0-9_]+$")
        message(FATAL_ERROR "${file}: a migration is called NNNN_name.sql")
    endif()
    math(EXPR version "${CMAKE_MATCH_1}")
    if(NOT version EQUAL expected)
        message(FATAL_ERROR "${file}: migration ${expected} is missing, or two have one number")
    endif()
    math(EXPR expected "${expected} + 1")
    file(READ "${file}" bytes HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
    string(APPEND texts "static const unsigned char migration_${version}[] = {${bytes}0};\n")
    string(APPEND rows "    {${version}, \"${name}\", (const char *)migration_${version}},\n")
endforeach()
math(EXPR count "${expected} - 1")
file(WRITE "${OUTPUT}.new" "/* made by cmake/embed_migrations.cmake */
#include \"store/migrate.h\"

${texts}
const struct migration migrate_list[] = {
${rows}};
const size_t migrate_list_count = ${count};
")
file(RENAME "${OUTPUT}.new" "${OUTPUT}")
