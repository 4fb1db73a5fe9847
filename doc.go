// Package netgear sends live video from one program to another over a network:
// frames, a message with each frame, and answers. It uses the wire of Python's
// VidGear (version 0.3.6), the classes NetGear and NetGear_Async. So a Go
// program can replace either end of a Python system, and nothing changes at the
// other end.
//
// # Two ends
//
// [New] opens one end. By default the receive end binds (listens), and the send
// end connects. They may start in any order.
//
//	recv, err := netgear.New(netgear.Options{ReceiveMode: true})   // NetGear(receive_mode=True)
//	send, err := netgear.New(netgear.Options{Address: "10.0.0.4"}) // NetGear(address="10.0.0.4")
//
//	reply, err := send.Send(ctx, mat, message) // a gocv.Mat
//	for frame, err := range recv.Frames(ctx) {
//		img, err := frame.Mat() // or Array, Bytes, Image, JPEG
//		…
//		frame.Close()
//	}
//
// The zero [Options] are VidGear's defaults for a send end. Options.UnmarshalJSON
// reads VidGear's own dictionary of options.
//
// # Frames in and out
//
// A frame is sent from a gocv.Mat ([NetGear.Send]), a numpy array
// ([NetGear.SendArray]), a picture of package image ([NetGear.SendImage]), or a
// finished JPEG ([NetGear.SendJPEG]). [NetGear.SendFrame] sends a received frame
// on. The caller's memory is free when the call returns; [NetGear.SendOwned] and
// [NetGear.SendArrayOwned] take it instead of copying it.
//
// [NetGear.Recv] and [NetGear.Frames] return frames, each of which the caller
// closes. [Frame.Mat], [Frame.Array] and [Frame.Bytes] refer to the frame's
// memory until [Frame.Close]. [Frame.Image] and [Frame.YCbCr] return memory of
// their own. [Frame.Read] decodes a part of a picture, [Frame.Retain] shares it
// with another goroutine.
//
// # Messages and answers
//
// Each frame may have a [Message], any JSON value. With BidirectionalMode data
// returns on the answers: [NetGear.SetReturnData], or Options.Respond for the
// answer to that very frame. A send call returns it as its [Reply].
// Options.Stamp adds a number and the time of capture.
//
// # Patterns
//
// A [Pattern] is one of ZeroMQ's. With [Pair] and [ReqRep] each frame is answered
// before the next goes out, and none is lost while the ends live. With [PubSub]
// the sender never waits, and a slow subscriber loses frames. [PushPull], on
// [AsyncWire] only, shares frames out among receive ends.
//
// # Waiting, ending, errors
//
// Calls block by default. Each ends at once when its context ends, or when
// [NetGear.Close] is called from any goroutine. EAGAIN from a socket means that
// it has nothing yet, and never ends the receive loop. The option that makes
// VidGear's receive thread end at EAGAIN, flag=1, is refused (VidGear issue
// #390).
//
// After the sender's terminate message Recv returns io.EOF. Other errors wrap one
// of the variables below, such as [ErrPeerGone], for errors.Is. Their comments
// describe after which of them the end can still be used.
//
// # Concurrency
//
// All methods of [NetGear] may be called from any goroutine. One goroutine at a
// time owns each ZeroMQ socket: at a receive end the receive goroutine, at a send
// end the goroutine that sends. Idle ends hold no operating-system thread. A
// [Frame] belongs to one goroutine at a time.
//
// # Security
//
// Without Options.SecureMode any machine that reaches the port can send frames,
// and read them. [StoneHouse] and [IronHouse] encrypt and authenticate. Bytes
// from a peer are checked, and memory for them is bounded, in every mode.
//
// # Building
//
// The package requires cgo, libzmq 4.3 and libjpeg-turbo (libjpeg and TurboJPEG).
// Unless built with -tags nogocv it also requires OpenCV 4, through gocv.
//
// Packages metrics, record, web and natsbridge, modules of their own, export
// counts to Prometheus, record streams, show them in a browser, and carry them
// over NATS. Package netgeartest opens connected ends for tests. The guide is in
// docs/guide.md.
package netgear
