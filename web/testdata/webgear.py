"""A 1080p30 camera behind VidGear's WebGear, for TestMeasure.

    webgear.py PORT

The camera draws its clock into each frame, as blocks of a 16-bit number of
milliseconds. WebGear gets the newest frame. That is the best case for it:
CamGear, its usual source, keeps up to 96 frames.
"""
import sys
import threading
import time

import numpy
import uvicorn
from vidgear.gears.asyncio import WebGear

WIDTH, HEIGHT, RATE = 1920, 1080, 30
NOISE = 14


class Camera:
    """Has the method read of VidGear's streams."""

    def __init__(self):
        random = numpy.random.default_rng(1)
        ramp = numpy.linspace(40, 180, WIDTH, dtype=numpy.float32)[None, :, None]
        noise = random.integers(0, NOISE, (HEIGHT, WIDTH, 3))
        self.background = (ramp + noise).astype(numpy.uint8)
        self.fresh = threading.Condition()
        self.frame = None

    def start(self):
        """Starts filming."""
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        due = time.monotonic()
        while True:
            now = int(time.time() * 1000) & 0xFFFF
            frame = self.background.copy()
            for bit in range(16):
                frame[:64, bit * WIDTH // 16:(bit + 1) * WIDTH // 16] = 255 * (now >> bit & 1)
            with self.fresh:
                self.frame = frame
                self.fresh.notify_all()
            due += 1 / RATE
            time.sleep(max(0, due - time.monotonic()))

    def read(self):
        """Waits for the next frame."""
        with self.fresh:
            self.fresh.wait()
            return self.frame

    def stop(self):
        """Does nothing: the thread ends with the process."""


web = WebGear(skip_generate_webdata=True, frame_size_reduction=0)
web._WebGear__stream = Camera()
web.config["generator"] = web._WebGear__producer
uvicorn.run(web(), host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
