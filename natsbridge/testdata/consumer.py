"""Prints the frames of a camera. python consumer.py nats://127.0.0.1:4222 front-door"""
import asyncio, hashlib, json, sys
import nats, numpy, simplejpeg

async def main(url, camera):
    nc = await nats.connect(url)
    sub = await nc.subscribe("frames." + camera)  # ".>" behind it would bring parts, too
    await nc.flush()
    print("ready", flush=True)
    async for m in sub.messages:
        h = m.headers or {}
        if h.get("Netgear") != "1":
            continue  # not a frame
        data, size = m.data, int(h["Netgear-Size"])
        if h.get("Netgear-Parts", "1") != "1" or len(data) != size:
            continue  # a frame in parts: subscribe to "frames.CAMERA.>" as well, and join them
        tail = int(h.get("Netgear-Message-Size", 0))
        data, text = data[:size - tail], data[size - tail:] or h.get("Netgear-Message", "null")
        if h["Netgear-Encoding"] == "jpeg":
            frame = simplejpeg.decode_jpeg(data, colorspace=h["Netgear-Colorspace"])
        else:
            shape = [int(n) for n in h["Netgear-Shape"].split(",")]
            frame = numpy.frombuffer(data, dtype=h["Netgear-DType"]).reshape(shape)
        message = None if h.get("Netgear-Message-Type") == "msgpack" else json.loads(text)
        print(h["Netgear-Seq"], h["Netgear-Time"], frame.dtype, list(frame.shape),
              hashlib.sha256(data).hexdigest(), json.dumps(message), flush=True)

asyncio.run(main(*sys.argv[1:]))
