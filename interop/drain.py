"""A VidGear receive end as in the README, again and again at one port: a line with the number of frames for each stream.

drain.py PATTERN PORT RUNS [SECONDS]: with SECONDS the application takes that long for each frame.
"""

import logging
import sys
import time

from vidgear.gears import NetGear

logging.disable()  # VidGear reports each attempt
pattern, port, runs = (int(arg) for arg in sys.argv[1:4])
pause = float(sys.argv[4]) if len(sys.argv) > 4 else 0


def open_client():
    """libzmq releases the port of the last stream a moment after its close."""
    while True:
        try:
            return NetGear(address="127.0.0.1", port=str(port), pattern=pattern, receive_mode=True)
        except RuntimeError:
            time.sleep(0.02)


for _ in range(runs):
    client = open_client()
    print("ready", flush=True)
    frames = 0
    while True:
        frame = client.recv()
        if frame is None:
            break
        frames += 1
        time.sleep(pause)
    client.close()
    print(frames, flush=True)
