typedef int api_stub;
