// Package natsbridge carries frames from a receive end into NATS and from NATS
// into a send end. It neither decodes nor encodes pictures.
//
// From a receive end into NATS:
//
//	pub, err := natsbridge.NewPublisher(nc, natsbridge.PublisherOptions{Backpressure: natsbridge.KeepLatest})
//	err = pub.Forward(ctx, recv, natsbridge.CameraName("front-door"))
//	err = pub.Close()
//
// Live, from NATS into a send end:
//
//	sub, err := natsbridge.Subscribe(nc, natsbridge.SubscribeOptions{Cameras: []string{"front-door"}})
//	err = sub.SendTo(ctx, send)
//	err = sub.Close()
//
// With PublisherOptions.Stream a frame counts as published when JetStream has
// stored it. EnsureStream creates such a stream: a recording, or the latest
// frame of each camera. Four functions return a Subscriber:
//
//   - Subscribe receives live frames from core NATS. No stream is required.
//   - Replay receives recorded frames, at the pace of the recording.
//   - Watch receives the last stored frame of each camera, then the next ones.
//   - Work receives frames that several processes share. Each frame goes to one
//     of them, until one has acknowledged it.
//
// Last returns one camera's last stored frame.
//
// A worker of a farm:
//
//	jobs, err := natsbridge.Work(ctx, nc, natsbridge.WorkOptions{Stream: "FRAMES", Name: "detectors"})
//	results, err := natsbridge.NewPublisher(nc, natsbridge.PublisherOptions{Subject: "results", Stream: "RESULTS"})
//	for job, err := range jobs.Deliveries(ctx) {
//		…
//		result, err := netgear.NewJPEGFrame(job.Frame.JPEG(), answer)
//		result.Stamp = job.Frame.Stamp // the number, for InOrder and against duplicates
//		err = results.Publish(ctx, job.Camera, result)
//		err = results.Flush(ctx) // the result is stored before the job is done
//		err = job.Ack(ctx)
//		job.Close()              // without Ack: another worker gets the frame
//	}
//
// The connection belongs to the caller, with its options for reconnecting,
// credentials, TLS and NKeys. Close of a Publisher or Subscriber does not close
// it.
//
// A frame is one message on the subject frames.CAMERA if it fits the server's
// max_payload. A larger frame is sent in parts: the last on that subject, the
// others on frames.CAMERA.1, frames.CAMERA.2, and so on. docs/nats.md describes
// subjects and headers for clients in any language.
package natsbridge
