/*
 * tune_exit.S - a program that ends with code 0, and nothing else: what runs in the image that `sluice tune`
 * makes. An image made from nothing has no libc and no loader, so it is static and takes one system call.
 */
    .globl _start
_start:
#if defined(__x86_64__)
    xorl %edi, %edi
    movl $60, %eax
    syscall
#elif defined(__i386__)
    xorl %ebx, %ebx
    movl $1, %eax
    int $0x80
#elif defined(__aarch64__)
    mov x0, #0
    mov x8, #93
    svc #0
#elif defined(__arm__)
    mov r0, #0
    mov r7, #1
    svc #0
#elif defined(__riscv)
    li a0, 0
    li a7, 93
    ecall
#elif defined(__powerpc64__)
    li 3, 0
    li 0, 1
    sc
#elif defined(__s390x__)
    lghi %r2, 0
    svc 1
#else
#error "the two lines that end a process with code 0 are not written for this architecture"
#endif
    .section .note.GNU-stack, "", %progbits
