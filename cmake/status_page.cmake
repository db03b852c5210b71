# cmake -DFOLDER=scheduler/page -DHTML=out.html -DPOLICY=out.policy -P status_page.cmake
# Puts style and script into the page, and writes the Content-Security-Policy that lets these two run and nothing else.
file(READ "${FOLDER}/status.css" css)
file(READ "${FOLDER}/status.js" js)
file(READ "${FOLDER}/status.html" html)
string(REPLACE "/*STATUS_CSS*/" "${css}" html "${html}")
string(REPLACE "/*STATUS_JS*/" "${js}" html "${html}")
file(WRITE "${HTML}" "${html}")

# base64_of VARIABLE HEX - cmake knows hashes in hex only, and the policy wants base64
function(base64_of result hex)
    set(alphabet ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/)
    set(text "")
    string(LENGTH "${hex}" length)
    # 3 hex digits are 2 characters; SHA-256 has 64, so the last group is one digit short of a whole one
    foreach(at RANGE 0 62 3)
        string(SUBSTRING "${hex}00" ${at} 3 digits)
        math(EXPR number "0x${digits}")
        math(EXPR high "${number} >> 6")
        math(EXPR low "${number} & 63")
        string(SUBSTRING "${alphabet}" ${high} 1 high)
        string(SUBSTRING "${alphabet}" ${low} 1 low)
        string(APPEND text "${high}${low}")
    endforeach()
    # 32 bytes are 42 characters and 4 bits: one more character, and the padding
    string(SUBSTRING "${hex}" 63 1 digit)
    math(EXPR number "0x${digit} << 2")
    string(SUBSTRING "${alphabet}" ${number} 1 last)
    string(SUBSTRING "${text}" 0 42 text)
    set(${result} "${text}${last}=" PARENT_SCOPE)
endfunction()

string(SHA256 css_hash "${css}")
string(SHA256 js_hash "${js}")
base64_of(css_hash "${css_hash}")
base64_of(js_hash "${js_hash}")
file(WRITE "${POLICY}" "default-src 'none'; script-src 'sha256-${js_hash}'; style-src 'sha256-${css_hash}'; connect-src 'self'; \
base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
