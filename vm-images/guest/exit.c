/*
 * vmexit N: ends the virtual machine at once with exit code N (0..127).
 *
 * QEMU's isa-debug-exit device sits on I/O port 0xf4; a value written there makes QEMU leave with
 * status 2 * N + 1. The runner turns that back into N. The file systems are synced first so that
 * nothing written to the serial ports is lost on the way.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/io.h>
#include <termios.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    long code = argc > 1 ? strtol(argv[1], NULL, 10) : 0;
    tcdrain(STDOUT_FILENO);
    if (ioperm(0xf4, 4, 1) != 0) {
        perror("vmexit: ioperm");
        return 1;
    }
    outl((unsigned)code & 0x7f, 0xf4);
    return 1; /* only reached where the device is missing */
}
