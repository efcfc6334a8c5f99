"""pseudo_terminal.py COMMAND…: runs a command on a terminal of its own, as if a person sat there.

What the command shows goes to standard output, what comes in on standard input is typed; the end of standard input
types nothing. Ends as the command ends (128 + the signal's number if one ended it). SIGTERM to this program ends
the command and everything it started.
"""

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios

ROWS, COLUMNS = 40, 120


def main(command):
    pid, terminal = pty.fork()
    if pid == 0:
        try:
            os.execvp(command[0], command)
        except OSError as fault:
            os.write(2, f"{command[0]}: {fault}\n".encode())
            os._exit(127)
    # The terminal's session is a process group of its own, which ends as one.
    signal.signal(signal.SIGTERM, lambda *_: os.killpg(pid, signal.SIGKILL))
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    copy(terminal)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return code if code >= 0 else 128 - code


def copy(terminal):
    """Copies both ways until the command has closed the terminal."""
    sources = [terminal, 0]
    while True:
        ready, _, _ = select.select(sources, [], [])
        if 0 in ready:
            typed = os.read(0, 4096)
            if typed:
                os.write(terminal, typed)
            else:
                sources.remove(0)
        if terminal in ready:
            try:
                shown = os.read(terminal, 65536)
            except OSError:
                return
            if not shown:
                return
            os.write(1, shown)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
