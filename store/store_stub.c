typedef int store_stub;
