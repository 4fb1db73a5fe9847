package netgear

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vidgear-go/netgear/internal/transport"
	"github.com/vidgear-go/netgear/internal/turbojpeg"
)

// The defaults that replace a zero field of Options. If VidGear has the option,
// its default is the same.
const (
	defaultPort             = "5555"
	defaultJPEGQuality      = 90
	defaultSendAddress      = "localhost"
	defaultReceiveAddress   = "*"
	defaultMaxRetries       = 3
	defaultRequestTimeout   = 4 * time.Second
	defaultAsyncTimeout     = 15 * time.Second // of NetGear_Async, for requests and for frames
	defaultHighWaterMark    = 1
	defaultQueueFrames      = 96
	defaultQueueBytes       = 256 << 20
	defaultMaxFrameBytes    = 256 << 20
	defaultMaxPeers         = 4096
	defaultHeartbeatTimeout = 30 * time.Second
	defaultTerminateDelay   = 500 * time.Millisecond
)

// Toggle is a switch whose zero value selects the default.
type Toggle int8

// The values of Toggle.
const (
	ToggleDefault Toggle = iota // the default in the field's comment
	ToggleOn
	ToggleOff
)

func (t Toggle) or(def bool) bool { return t == ToggleOn || t == ToggleDefault && def }

func toggle(on bool) Toggle {
	if on {
		return ToggleOn
	}
	return ToggleOff
}

// Colorspace selects whether frames are sent as JPEG, and the colorspace of
// their pixels. Besides the constants it may be any of VidGear's names: RGB BGR
// RGBX BGRX XBGR XRGB GRAY RGBA BGRA ABGR ARGB CMYK.
type Colorspace string

// The values of Colorspace.
const (
	JPEGDefault Colorspace = ""     // JPEG of BGR pixels, OpenCV's order
	JPEGOff     Colorspace = "off"  // raw pixels; VidGear's jpeg_compression=False
	JPEGBGR     Colorspace = "BGR"  // the default, by name
	JPEGRGB     Colorspace = "RGB"  // three channels, red first
	JPEGGray    Colorspace = "GRAY" // one channel
)

// colorspaces lists VidGear's colorspaces, in its order.
const colorspaces = "RGB BGR RGBX BGRX XBGR XRGB GRAY RGBA BGRA ABGR ARGB CMYK"

// Attachment selects which end of a connection listens.
type Attachment int8

// The values of Attachment.
const (
	AttachDefault Attachment = iota // as VidGear: the receive end binds, the send end connects; a publisher on ImageZMQWire binds, as imagezmq's
	AttachBind                      // listen on Address and Port
	AttachConnect                   // connect to Address and Port
)

// Wire is a wire format: one of VidGear's two, or imagezmq's.
type Wire int8

// The values of Wire.
const (
	NetGearWire  Wire = iota // JSON headers: vidgear.gears.NetGear
	AsyncWire                // msgpack: vidgear.gears.asyncio.NetGear_Async
	ImageZMQWire             // JSON headers: imagezmq's ImageSender and ImageHub
)

func (w Wire) wire() wire {
	switch w {
	case AsyncWire:
		return asyncWire{}
	case ImageZMQWire:
		return imagezmqWire{}
	}
	return jsonWire{}
}

// ofHeader returns the wire other than w on which raw is part 1 of a message.
func (w Wire) ofHeader(raw []byte) (Wire, bool) {
	for other := range ImageZMQWire + 1 {
		if other != w && isHeader(other.wire(), raw) {
			return other, true
		}
	}
	return w, false
}

// compresses reports whether frames may be sent as JPEG.
func (w Wire) compresses() bool { return w != AsyncWire }

// returnsArrays reports whether answers may carry an array.
func (w Wire) returnsArrays() bool { return w != ImageZMQWire }

// TerminatePolicy is what a receive end does after a sender's terminate
// message.
type TerminatePolicy int8

const (
	// StopOnTerminate ends the stream: Recv returns the queued frames, then
	// io.EOF. VidGear does the same, but discards the queue.
	StopOnTerminate TerminatePolicy = iota
	// KeepWaiting continues to listen, for the next sender.
	KeepWaiting
)

// SecureMode is one of VidGear's CURVE modes.
type SecureMode int8

// The values of SecureMode.
const (
	Grasslands SecureMode = iota // no security
	StoneHouse                   // encrypted, any client key
	IronHouse                    // encrypted, known client keys only
)

// Options holds the settings of one end. The zero value is VidGear's defaults
// for a send end. New copies it: a later change has no effect.
//
// Names are VidGear's in Go spelling. The name in brackets is the keyword or
// dictionary key that VidGear's NetGear takes. [Options.UnmarshalJSON] reads
// settings in the form of VidGear's dictionary.
//
// An option without effect is ignored, as in VidGear, where both ends get the
// same dictionary. So a field whose comment names patterns, one end, a wire or
// another option has no effect elsewhere. New gives Logger a line for each of
// them. Validate refuses only access lists and tunnels that would not protect,
// functions that would never be called, and modes that the pattern or the wire
// does not have.
type Options struct {
	// ---- the connection ----

	// ReceiveMode makes this the receive end. [receive_mode]
	ReceiveMode bool
	// Address is a host name or an IPv4 or IPv6 address; with the ipc protocol
	// a path. A name is resolved again when a connection is lost or fails. A
	// link-local address requires its interface: "fe80::1%eth0". Default:
	// "localhost", or "*" if this end binds. "*" is every interface, of IPv4
	// and, if the system has it, of IPv6; "0.0.0.0" is every interface of IPv4
	// alone. [address]
	Address string
	// Port is 1 to 65535; "0" binds any free port (see [NetGear.Port]). With
	// the ipc protocol it is any text. Default "5555". [port]
	Port string
	// Ports lists several ports: those of the senders in multi-server mode
	// (receive end), those of the clients in multi-client mode (send end).
	// Default: Port alone. [port as a list]
	Ports []string
	// Protocol is "tcp" or "ipc". Any other value is an error, while VidGear
	// treats it as tcp. Default "tcp". [protocol]
	Protocol string
	// Pattern is Pair, ReqRep or PubSub, and on AsyncWire also PushPull. Any
	// other value is an error, while VidGear treats it as 0. Default Pair, and
	// on ImageZMQWire, which has no Pair, ReqRep. [pattern]
	Pattern Pattern
	// Wire is the wire format, which must be the same at both ends: NetGearWire
	// (VidGear's NetGear, JSON), AsyncWire (VidGear's NetGear_Async, msgpack)
	// or ImageZMQWire (imagezmq). AsyncWire has no JPEG and no multi-server and
	// multi-client modes. ImageZMQWire has ReqRep and PubSub, no terminate
	// message and no multi-client mode. Default NetGearWire. [the class]
	Wire Wire
	// Attach selects which end listens, for instance for one PubSub sender to
	// which many viewers connect. Default: the receive end binds; with PubSub
	// on ImageZMQWire the send end. [no counterpart]
	Attach Attachment

	// ---- frames ----

	// JPEGCompression sends frames as JPEG with 4:2:2 chroma. It applies to
	// 8-bit frames with as many channels as the colorspace has. Frames with one
	// channel are sent as GRAY. A frame that a JPEG cannot hold (another dtype
	// or number of channels) is sent raw. Default: on, BGR; on AsyncWire off,
	// where any other value is an error. [jpeg_compression]
	JPEGCompression Colorspace
	// JPEGCompressionQuality is 10 to 100. Default 90. [jpeg_compression_quality]
	JPEGCompressionQuality int
	// JPEGCompressionFastDCT makes the encoding and decoding of JPEGs faster
	// and less accurate. Default on. [jpeg_compression_fastdct]
	JPEGCompressionFastDCT Toggle
	// JPEGCompressionFastUpsample decodes JPEGs with a faster chroma
	// upsampling. Default off. [jpeg_compression_fastupsample]
	JPEGCompressionFastUpsample bool
	// JPEGStrips is the number of strips in which a frame's JPEG is encoded on
	// all cores at once: 1 to 8. It is also the number in which one is decoded,
	// if the JPEG permits and several cores are free. The pixels are the same,
	// and every JPEG decoder reads strips. With 1 the JPEG is byte for byte
	// VidGear's. Default 0: two for each core (GOMAXPROCS) for frames that are
	// large enough for a gain, otherwise one. [no counterpart]
	JPEGStrips int
	// JPEGCheck checks each JPEG of [NetGear.SendJPEG] before it is sent. It
	// also checks a JPEG with a fault that [NetGear.SendFrame] or
	// [NetGear.SetReturnData] sends on. VidGear's receive thread ends at a JPEG
	// with any fault.
	//
	// By default SendFrame checks only a sample of the received JPEGs that were
	// not decoded, because their sender has encoded or checked them: the first
	// one and one in 64, each that is incomplete, and the thousand after one
	// with a fault. So a VidGear receive end behind a relay is as safe as
	// without it. ToggleOn checks all of them.
	//
	// ToggleOff saves that time, an eighth to a half of a decoding, for JPEGs
	// from a trusted encoder. Faults in a header are refused nevertheless. A
	// receive end of this library drops a damaged JPEG, or delivers it (Decode),
	// without reporting it to the sender, because it answers before it decodes.
	// Default on, with the sample for SendFrame. [no counterpart]
	JPEGCheck Toggle
	// Decode selects when a receive end decodes JPEGs. By default it follows
	// the application. While at least half of the last eight closed frames had
	// their pixels read, frames are decoded before Recv returns them, on all
	// cores. Otherwise, and always with DecodeOnUse, the first call that needs
	// the pixels decodes them, and a frame of which only [Frame.JPEG] is used
	// is never decoded. Frames before the first count as read. For Respond the
	// calls of Respond count.
	//
	// [Frame.Image] and [Frame.YCbCr] decode to the picture that they return,
	// so they do not count as reading the pixels.
	//
	// A damaged JPEG that is decoded ahead is dropped and counted in
	// Stats.Malformed. On use it is delivered, and the call that needs its
	// pixels returns an ErrFrame; it counts in Stats.Malformed then. Default
	// DecodeFollowUse. [no counterpart: VidGear always decodes ahead]
	Decode DecodePolicy
	// Reading selects which pixels of JPEGs a receive end decodes: a reduced
	// picture, gray, a region. [Frame.Read] selects others for one frame. Raw
	// frames have all of their pixels. A JPEG without any part of the Region is
	// dropped and counted in Stats.Malformed. MaxFrameBytes limits the whole
	// picture nevertheless. At a send end it has no effect. Default all pixels.
	// [no counterpart]
	Reading Reading
	// Copy makes [Frame.Mat] return a Mat that owns its pixels. Without it the
	// Mat refers to the frame's memory and is valid until Frame.Close. At a
	// send end it has no effect. Default off. [copy]
	Copy bool
	// Track is accepted and has no effect: Send returns only when the caller's
	// pixels are no longer read. [track]
	Track bool
	// Flag must be 0. VidGear passes it to every socket call, and 1
	// (zmq.DONTWAIT) ended streams in VidGear issue #390. [flag]
	Flag int

	// ---- reliability ----

	// MaxRetries is how many times RequestTimeout a send end waits for the answer
	// to one frame. Each time it sends the frame again on a new connection, unless
	// the peer is in its handshake. At a receive end it is how many times 3 ×
	// RequestTimeout may pass without a connected peer; each time the end listens
	// again. Then the call returns ErrPeerGone. Every success restores all
	// retries. A peer that refuses a send end for its pattern or its keys is not
	// tried again: the call returns ErrMismatch or ErrAuth. Default 3; negative:
	// no limit (VidGear's 0). Patterns Pair, ReqRep and, at a send end, PushPull.
	// [max_retries]
	MaxRetries int
	// RequestTimeout bounds the wait for an answer, including the frame's
	// transfer, and with PushPull the wait for room. It is at least 10 ms
	// (VidGear: whole seconds, at least 4). Default 4 s, on AsyncWire 15 s.
	// Patterns Pair, ReqRep and PushPull; with PubSub a fifth of it bounds the
	// delivery of the last messages at Close. [request_timeout; timeout of
	// NetGear_Async]
	RequestTimeout time.Duration
	// SubscriberTimeout makes Recv return ErrTimeout after that time without a
	// frame. The end continues to listen, while VidGear's ends. Pattern PubSub;
	// on AsyncWire every pattern. Default: never; on AsyncWire 15 s, and
	// negative for never. [subscriber_timeout; timeout of NetGear_Async]
	SubscriberTimeout time.Duration
	// TerminatePolicy selects what a receive end does after a sender's
	// terminate message. Default StopOnTerminate. [no counterpart]
	TerminatePolicy TerminatePolicy
	// TerminateDelay is the time between the last frame and the terminate
	// message, for which Close of a send end waits if need be. VidGear's
	// receive end discards the frames in its queue at that message, and its
	// answer only means that a frame will be queued. Its queue holds up to 96
	// frames, so 96 times the application's time for one frame is always
	// enough.
	//
	// Close does not wait if no peer is connected, nor for receive ends of this
	// library, which discard nothing. With PubSub, where frames are not
	// answered, it waits for those, too. NetGearWire. Default 500 ms; negative:
	// no wait. [no counterpart]
	TerminateDelay time.Duration
	// StallAfter makes a receive end report EventStalled to OnEvent, once,
	// after that time without a frame. The next frame is then reported as
	// EventResumed. It is for the end as a whole: while one of several senders
	// sends, the others may be silent without an event. Stats.Ports has the time
	// of each port's last frame, and package metrics the frames of each port.
	// Default 0: never. [no counterpart]
	StallAfter time.Duration
	// HeartbeatInterval is the time between ZMTP heartbeats. They detect a
	// frozen peer, and a dead one behind a relay; TCP detects dead machines
	// within 4 s. With heartbeats a hostile peer can make libzmq abort the
	// process while this end closes (libzmq issue #4364). So set it only if all
	// peers are trusted. Default 0: none; so is a negative value. Patterns
	// ReqRep and PubSub. [no counterpart]
	HeartbeatInterval time.Duration
	// HeartbeatTimeout closes a connection on which nothing has arrived for
	// that time after a heartbeat. It counts from each heartbeat, so it may be
	// shorter than HeartbeatInterval. It must be longer than the largest frame's
	// transfer, because libzmq counts only complete parts. The default is
	// enough for a raw 1080p frame (6.2 MB) at 2 Mbit/s. Default 30 s. [no
	// counterpart]
	HeartbeatTimeout time.Duration

	// ---- queues and limits ----

	// HighWaterMark is the number of messages that a send end queues for each
	// slow subscriber before it drops frames. With PushPull a send end queues
	// that many for each receiver before it waits, and a receive end for each
	// sender. Default 1. Patterns PubSub and PushPull. [no counterpart: VidGear
	// sets 1 for PubSub and leaves PushPull at libzmq's 1000]
	HighWaterMark int
	// Latest keeps only the newest frame instead of a queue (in multi-server
	// mode the newest of each sender, and Recv returns those in turn). So a slow
	// consumer gets new frames, and Stats counts the dropped ones. Receive end.
	// Default off. [no counterpart]
	Latest bool
	// QueueFrames is how many received frames wait for Recv. When the queue is
	// full the receive end stops reading, which makes the sender wait. With
	// PubSub the sender does not wait, so the receive end drops new frames, and
	// Stats counts them. With Latest in multi-server mode it is how many senders
	// have a frame that waits; those of Ports have one in any case. Receive end,
	// without Latest or in multi-server mode. Default 96. [no counterpart:
	// VidGear has 96]
	QueueFrames int
	// QueueBytes bounds the same queue in bytes: of the frames, of their
	// messages, of the pixels that are decoded ahead, and 1 KiB for each frame.
	// A single larger frame is still accepted, and decoded.
	// With Latest the oldest frames of other senders are dropped. Receive end.
	// Default 256 MiB. [no counterpart]
	QueueBytes int64
	// OpenFrames is how many frames the application expects to have at most,
	// returned by Recv and not closed. It limits nothing. When there are more,
	// Logger gets one line, with the stack of the Recv call that returned the
	// frame too many. Stats.Open has their number. Receive end. Default 0: no
	// limit. [no counterpart]
	OpenFrames int
	// SendAhead is how many encoded frames may wait behind the one whose answer
	// is awaited, 0 to 1024. With it the send calls do not wait for the answer.
	// They wait for a place in the queue, encode or copy the frame, and return
	// the zero Reply. A goroutine sends the frames in order.
	//
	// A send call that returns a *[LostError] reports earlier frames, and has
	// not queued its own. See also OnReply, [NetGear.Flush] and
	// [NetGear.Close]. Send end. Default 0: off. [no counterpart]
	SendAhead int
	// SendLatest makes the send calls return at once. A frame waits, not yet
	// encoded, while the one before is encoded and sent. If another one comes
	// meanwhile it takes its place, and Stats.Skipped counts the one that was
	// replaced. So what is sent is never older than one exchange, however slow
	// the network. It is the sender's counterpart of Latest.
	//
	// Pixels and JPEGs are copied, except those of [NetGear.SendArrayOwned],
	// SendOwned and SendFrame. Losses are reported as with SendAhead, which it
	// excludes. Send end. Default off. [no counterpart]
	SendLatest bool
	// Adapt makes a send end adapt its frames to the network, so that none is
	// older than Adapt.MaxAge on arrival. See [Adapt]. Send end. Default off.
	// [no counterpart]
	Adapt Adapt
	// OnReply is called, with SendAhead and SendLatest, for each frame that a send call has
	// queued, in that order. It gets its Reply, or why it was lost: a
	// *[LostError], which has the frame's number, and unwraps to the reason. The
	// send calls then do not report it; Flush and Close do. It is not called
	// for a frame that a newer one has replaced.
	//
	// It is called before the next frame is sent, one call at a time, so it
	// should return soon. Inside it the send calls, Flush and Close of this end
	// return ErrCallback. Default: not called. [no counterpart]
	OnReply func(Reply, error)
	// MaxFrameBytes bounds the size of a received part, and the memory for
	// decoding a frame. That is its pixels and, for a JPEG of several scans,
	// its coefficients (two bytes for each sample). libzmq closes the
	// connection of a peer that sends more, before it allocates memory for it.
	//
	// A JPEG may have 16 scans, and up to 500 if its pixels times its scans are
	// at most 2^30, which bounds the time. The limit also applies to headers,
	// answers and handshakes, so it is at least 1024. Default 256 MiB. [no
	// counterpart]
	MaxFrameBytes int64
	// MaxPeers bounds the peers that are connected at a time to an end that
	// listens. It closes the connection of a further one, which may come again
	// when one has left. No connected peer ends for another one. The number of
	// those closed is in Stats.Refused or, if their handshake had ended already,
	// in Stats.Lost; OnEvent gets EventRefused or EventLost with the reason.
	//
	// Connections whose handshakes have not ended do not count. They have limits
	// of their own (docs/security.md). Where the system does not report how far
	// a handshake has come (ipc, systems other than Linux), a connection counts
	// from its beginning. Of several that connect at once for the last place,
	// some may be closed after their handshake: frames that were on their way
	// are lost with them, as with any lost connection.
	//
	// 1 to 65536. It has no effect at an end that connects, which has one peer
	// for each of its ports, nor at a Pair receive end, which serves one. Default
	// 4096. [no counterpart: VidGear has no limit]
	MaxPeers int

	// ---- exclusive modes ----

	// BidirectionalMode sends data with the answers: see
	// [NetGear.SetReturnData]. It must be the same at both ends. On
	// ImageZMQWire it is the reply of imagezmq's send_reply. Patterns Pair and
	// ReqRep. [bidirectional_mode]
	BidirectionalMode bool
	// MultiserverMode connects one receive end with several senders, each with
	// its own port. On ImageZMQWire it is for a receive end, and the message, if
	// it is a short text, is the sender's name in Frame.Port. Patterns ReqRep
	// and PubSub. It must be on at the senders, too: frames of others have no
	// Port, and are in none of Stats.Ports. [multiserver_mode]
	MultiserverMode bool
	// MulticlientMode connects one send end with several receive ends, each
	// with its own port. Patterns ReqRep and PubSub. [multiclient_mode]
	MulticlientMode bool

	// Respond returns the data for the answer to the frame of the call: any
	// value that SetReturnData takes. It replaces SetReturnData. After an
	// error, or with data that cannot be sent, the answer has no data. That is
	// counted (Stats.NoData) and logged, and Recv returns the frame
	// nevertheless.
	//
	// It is called in the receive goroutine for one frame after the other,
	// before the frame is answered and queued. So the sender and Close wait for
	// it. The context ends when Close is called: a Respond that takes long must
	// return then.
	//
	// The frame goes on to Recv: take and close the frames, or set Latest.
	// Otherwise the queue is full after QueueFrames, and no more are answered.
	//
	// The frame is borrowed for the call and must not be closed; [Frame.Retain]
	// keeps it for longer. Inside Respond, Recv and Close of this end return
	// ErrCallback. Receive end, in bidirectional or multi-client mode. [no
	// counterpart]
	Respond func(ctx context.Context, frame *Frame) (any, error)
	// Stamp makes a send end put a sequence number and the time of capture into
	// each frame's message, which is a dictionary to Python (see Stamp). A
	// receive end removes them from the message (Frame.Stamp, Stats.Missed,
	// Stats.Latency). Default off: the wire is VidGear's. [no counterpart]
	Stamp bool

	// ---- security ----

	// SecureMode is Grasslands (none), StoneHouse (encrypted, and the receive
	// end is authenticated) or IronHouse (the send end is authenticated, too).
	// It must be a secure mode at both ends. Default Grasslands. [secure_mode]
	SecureMode SecureMode
	// CustomCertLocation is the location of the certificates:
	// LOCATION/.vidgear/keys. LOCATION must exist, or New returns an ErrOption.
	// If it has no folder of keys,
	// one is created, and Logger gets a line, because the other end does not
	// have those keys yet. Secure modes. Default: the home folder.
	// [custom_cert_location]
	CustomCertLocation string
	// OverwriteCert creates new certificates. Send end, secure modes.
	// [overwrite_cert]
	OverwriteCert bool
	// AllowAddresses lists the only peers that a secure receive end admits:
	// addresses and ranges such as "10.0.0.0/8". Default: all. Secure modes.
	// [no counterpart: VidGear admits the receive end's own address alone]
	AllowAddresses []string
	// DenyAddresses lists peers that a secure receive end rejects, even if
	// AllowAddresses would admit them. Secure modes. [no counterpart]
	DenyAddresses []string
	// SSHTunnelMode is "user@host[:port]", an SSH host through which the send
	// end connects to Address and Port, as seen from that host. Without "user@"
	// the name is that of the current user. The port is 22 by default. Default:
	// no tunnel. [ssh_tunnel_mode]
	SSHTunnelMode string
	// SSHTunnelPwd is the password for the SSH host, or the passphrase of the
	// key file: see [NewSecret]. No text and no JSON contains it. This and the
	// following options are for a tunnel (SSHTunnelMode). [ssh_tunnel_pwd]
	SSHTunnelPwd Secret
	// SSHTunnelKeyfile is the private key file for the SSH host. Default: the
	// usual ones in the home folder, and those of the agent.
	// [ssh_tunnel_keyfile]
	SSHTunnelKeyfile string
	// SSHTunnelKnownHosts lists the files with accepted host keys. Default: the
	// user's and the system's known_hosts. [no counterpart]
	SSHTunnelKnownHosts []string
	// SSHTunnelIgnoreHostKey accepts any host key. An attacker on the path can
	// then read everything. Default off. [no counterpart]
	SSHTunnelIgnoreHostKey bool

	// ---- seeing ----

	// A panic in a callback is not recovered. In one that the library calls in
	// a goroutine of its own it ends the program.

	// OnEvent is called with events of connections and stalls, in order, in one
	// goroutine of its own. It may call this end, but Close, which waits for
	// it, returns ErrCallback. A refusal that repeats is one event. At most
	// 1000 events are buffered for a slow OnEvent; then the oldest are dropped.
	// Default: not called. [no counterpart]
	OnEvent func(Event)
	// Logger gets lines about connections, retries and dropped messages, but
	// never one line per frame. Its handler must return, and must not Close
	// this end, which waits for the goroutines that log. Default: silent. [logging]
	Logger *slog.Logger
}

// Validate checks the options alone, as New does first: it opens no file and no
// socket. So New may fail where Validate returns nil, for instance because an
// address is in use, or because CustomCertLocation does not exist. The error is
// an *[OptionError].
func (o Options) Validate() error {
	o.Pattern = o.pattern()
	for _, check := range []func(*Options) error{
		checkFlag, checkImageZMQ, checkConnection, checkFrames, checkReliability, checkLimits, checkModes, checkSecurity, checkTunnel, checkLogger,
	} {
		if err := check(&o); err != nil {
			return err
		}
	}
	return nil
}

// checkFlag refuses the flag that ended the stream in VidGear issue #390.
func checkFlag(o *Options) error {
	if o.Flag == 0 {
		return nil
	}
	reason := "it would make every socket call return at once instead of waiting, and the first call that finds nothing " +
		"ends the receive loop with EAGAIN, \"resource temporarily unavailable\" (VidGear issue #390"
	if !o.Copy && !o.Track {
		reason += "; with copy and track off it is exactly the combination of that issue"
	}
	reason += "). The end of a call's context bounds its wait, and a sender of PUB/SUB waits for no receiver"
	err := invalid("Flag", o.Flag, "%s", reason)
	err.Err = ErrNonBlocking
	return fixed(err, set("Flag", 0))
}

func checkConnection(o *Options) error {
	if o.Wire < NetGearWire || o.Wire > ImageZMQWire {
		return invalid("Wire", o.Wire, "must be NetGearWire, AsyncWire or ImageZMQWire")
	}
	if o.Pattern < 0 || int(o.Pattern) >= len(patterns) {
		return invalid("Pattern", o.Pattern, "must be 0 (PAIR), 1 (REQ/REP) or 2 (PUB/SUB), and with NetGear_Async's wire also 3 (PUSH/PULL)")
	}
	if o.Pattern == PushPull && o.Wire != AsyncWire {
		return fixed(invalid("Pattern", o.Pattern, "VidGear's NetGear has no PUSH/PULL; NetGear_Async has"), set("Wire", AsyncWire))
	}
	if o.Attach < AttachDefault || o.Attach > AttachConnect {
		return invalid("Attach", o.Attach, "must be AttachDefault, AttachBind or AttachConnect")
	}
	for _, text := range append([]string{o.Address}, o.ports()...) {
		if strings.Contains(text, "\x00") { // where a C string ends
			return invalid("Address", text, "must not contain a NUL byte")
		}
	}
	switch o.Protocol {
	case "", "tcp":
		if err := checkPorts(o); err != nil {
			return err
		}
		if err := checkAddressParts(o); err != nil {
			return err
		}
		if strings.Contains(o.Address, "@") {
			return invalid("Address", o.Address, "must be a host name or an IP address, without user and password")
		}
		if strings.Contains(o.Address, "/") {
			return invalid("Address", o.Address, "must be a host name or an IP address, without protocol or path")
		}
		return checkHost(o)
	case "ipc":
		if o.Address == "" {
			return invalid("Address", o.Address, "with the ipc protocol both ends must name the same path, such as \"/run/camera\"")
		}
		if strings.HasPrefix(o.Address, "*") { // libzmq binds a path that it chooses
			return invalid("Address", o.Address, "with the ipc protocol there is no \"every interface\"; both ends must name the same path, such as \"/run/camera\"")
		}
	default:
		return invalid("Protocol", o.Protocol, "must be \"tcp\" or \"ipc\"")
	}
	return nil
}

// checkAddressParts refuses an address that also has a port, or the protocol and
// a port.
func checkAddressParts(o *Options) error {
	rest, protocol := strings.CutPrefix(o.Address, "tcp://")
	host, port, err := net.SplitHostPort(rest)
	switch {
	case err != nil || host == "" || port == "" || strings.ContainsAny(rest, "@/"):
		return nil
	case protocol:
		return fixed(invalid("Address", o.Address, "must be a host alone; the protocol (tcp) and the port (%s) are options of their own", port), set("Address", host))
	}
	return fixed(invalid("Address", o.Address, "must be a host alone; the port (%s) is an option of its own", port), set("Address", host))
}

// checkHost refuses addresses to which no connection is possible.
func checkHost(o *Options) error {
	ip, err := netip.ParseAddr(strings.Trim(o.Address, "[]"))
	if (o.Address == "*" || err == nil && ip.IsUnspecified()) && !o.binds() {
		return invalid("Address", o.Address, "every interface is for the end that binds; this one connects and needs the other end's address")
	}
	if err == nil && transport.NeedsZone(ip) {
		return invalid("Address", o.Address, "%s", transport.ZoneHint(ip.String()))
	}
	return nil
}

// checkPorts refuses what is no port, and a port that is listed twice.
func checkPorts(o *Options) error {
	low, field := 1, "Port"
	if o.binds() {
		low = 0
	}
	if len(o.Ports) > 0 {
		field = "Ports"
	}
	seen := map[int]bool{}
	for _, p := range o.ports() {
		n, err := strconv.Atoi(p)
		if err != nil || n < low || n > 65535 {
			return invalid(field, p, "must be a number from %d to 65535", low)
		}
		if seen[n] && n != 0 {
			return invalid(field, o.Ports, "%d is listed twice; each end has a port of its own", n)
		}
		seen[n] = true
	}
	return nil
}

func checkFrames(o *Options) error {
	if c := o.JPEGCompression; c != JPEGDefault && c != JPEGOff {
		if _, err := turbojpeg.ParseColorspace(string(c)); err != nil {
			return invalid("JPEGCompression", c, "must be \"\", \"off\" or one of %s", colorspaces)
		}
	}
	if c := o.JPEGCompression; !o.Wire.compresses() && c != JPEGDefault && c != JPEGOff {
		return invalid("JPEGCompression", c, "frames are never compressed on the wire of NetGear_Async")
	}
	if q := o.JPEGCompressionQuality; q != 0 && (q < 10 || q > 100) {
		return invalid("JPEGCompressionQuality", q, "must be from 10 to 100")
	}
	if o.JPEGCompressionFastDCT < ToggleDefault || o.JPEGCompressionFastDCT > ToggleOff {
		return invalid("JPEGCompressionFastDCT", o.JPEGCompressionFastDCT, "must be ToggleDefault, ToggleOn or ToggleOff")
	}
	if o.JPEGCheck < ToggleDefault || o.JPEGCheck > ToggleOff {
		return invalid("JPEGCheck", o.JPEGCheck, "must be ToggleDefault, ToggleOn or ToggleOff")
	}
	if o.Decode < DecodeFollowUse || o.Decode > DecodeOnUse {
		return invalid("Decode", o.Decode, "must be DecodeFollowUse, DecodeAhead or DecodeOnUse")
	}
	if why := o.Reading.check(); why != "" {
		return invalid("Reading", o.Reading, "%s", why)
	}
	if s := o.JPEGStrips; s < 0 || s > turbojpeg.MaxStrips {
		return invalid("JPEGStrips", s, "must be from 1 to %d, or 0 for the default", turbojpeg.MaxStrips)
	}
	return nil
}

func checkReliability(o *Options) error {
	if t := o.RequestTimeout; t != 0 && t < 10*time.Millisecond {
		return invalid("RequestTimeout", t, "must be at least 10ms")
	}
	if t := o.StallAfter; t < 0 {
		return invalid("StallAfter", t, "must not be negative")
	}
	if t := o.SubscriberTimeout; t < 0 && o.Wire != AsyncWire {
		return invalid("SubscriberTimeout", t, "must not be negative")
	}
	if o.TerminatePolicy < StopOnTerminate || o.TerminatePolicy > KeepWaiting {
		return invalid("TerminatePolicy", o.TerminatePolicy, "must be StopOnTerminate or KeepWaiting")
	}
	// libzmq counts these in int milliseconds, and its TTL in deciseconds of 16 bits.
	for _, f := range []struct {
		name  string
		value time.Duration
	}{{"HeartbeatInterval", o.HeartbeatInterval}, {"HeartbeatTimeout", o.HeartbeatTimeout}} {
		if f.value > 0 && f.value < 10*time.Millisecond || f.value > time.Hour {
			return invalid(f.name, f.value, "must be from 10ms to 1h")
		}
	}
	if o.HeartbeatTimeout < 0 {
		return invalid("HeartbeatTimeout", o.HeartbeatTimeout, "must not be negative; HeartbeatInterval: 0 turns heartbeats off")
	}
	return nil
}

// minFrameBytes is the least limit with which two ends can communicate. The
// longest part of the smallest frame is 366 bytes: a JPEG of one pixel, or a
// CURVE handshake. CURVE adds 33 bytes to each message. The rest is for longer
// headers and answers.
const minFrameBytes = 1 << 10

// maxPeers is the most that MaxPeers may be: of more connections it is not known
// where messages come from.
const maxPeers = 1 << 16

func checkLimits(o *Options) error {
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"HighWaterMark", int64(o.HighWaterMark)}, {"QueueFrames", int64(o.QueueFrames)}, {"OpenFrames", int64(o.OpenFrames)},
		{"QueueBytes", o.QueueBytes}, {"MaxFrameBytes", o.MaxFrameBytes}, {"MaxPeers", int64(o.MaxPeers)},
	} {
		if f.value < 0 {
			return invalid(f.name, f.value, "must be positive, or 0 for the default")
		}
	}
	if m := o.MaxFrameBytes; m > 0 && m < minFrameBytes {
		return invalid("MaxFrameBytes", m, "must be at least %d: libzmq applies it to handshakes, headers and answers as well", minFrameBytes)
	}
	if o.MaxPeers > maxPeers {
		return invalid("MaxPeers", o.MaxPeers, "must be from 1 to %d, or 0 for the default", maxPeers)
	}
	if o.HighWaterMark > 1<<20 {
		return invalid("HighWaterMark", o.HighWaterMark, "must be at most %d", 1<<20)
	}
	return checkAhead(o)
}

func checkAhead(o *Options) error {
	switch {
	case o.SendAhead < 0 || o.SendAhead > 1024:
		return invalid("SendAhead", o.SendAhead, "must be from 0 to 1024")
	case o.SendLatest && o.SendAhead > 0:
		return fixed(invalid("SendLatest", true, "one frame waits, the newest, so there are none to send ahead"), set("SendAhead", 0), set("SendLatest", false))
	case o.OnReply != nil && o.SendAhead == 0 && !o.SendLatest:
		return invalid("OnReply", o.OnReply, "needs SendAhead or SendLatest; without them every send call returns its Reply")
	}
	return checkAdapt(o)
}

func checkModes(o *Options) error {
	row := o.Pattern.spec()
	switch {
	case o.BidirectionalMode && !row.answers:
		return fixed(invalid("BidirectionalMode", true, "pattern %v has no answers that data could ride on", o.Pattern), set("Pattern", Pair), set("Pattern", ReqRep))
	case o.MultiserverMode && o.Wire == AsyncWire:
		return invalid("MultiserverMode", true, "NetGear_Async has no such mode; PUSH/PULL and PUB/SUB take several senders without it")
	case o.MulticlientMode && o.Wire == AsyncWire:
		return invalid("MulticlientMode", true, "NetGear_Async has no such mode; PUSH/PULL and PUB/SUB take several receivers without it")
	case o.MultiserverMode && o.MulticlientMode:
		return fixed(invalid("MulticlientMode", true, "an end has either several senders or several receivers"), set("MulticlientMode", false), set("MultiserverMode", false))
	case o.MultiserverMode && !row.multi:
		return fixed(invalid("MultiserverMode", true, "pattern %v connects exactly two ends", o.Pattern), set("Pattern", ReqRep), set("Pattern", PubSub))
	case o.MulticlientMode && !row.multi:
		return fixed(invalid("MulticlientMode", true, "pattern %v connects exactly two ends", o.Pattern), set("Pattern", ReqRep), set("Pattern", PubSub))
	case o.Respond != nil && !(o.ReceiveMode && row.answers && (o.BidirectionalMode || o.MulticlientMode)):
		return invalid("Respond", o.Respond, "needs ReceiveMode with BidirectionalMode (Pair, ReqRep) or MulticlientMode (ReqRep)")
	case len(o.Ports) > 1 && !o.manyPorts():
		mode := "MulticlientMode"
		if o.ReceiveMode {
			mode = "MultiserverMode"
		}
		return fixed(invalid("Ports", o.Ports, "several ports are for several senders or several receivers"), set(mode, true))
	case (o.MultiserverMode || o.MulticlientMode) && o.SSHTunnelMode != "":
		return invalid("SSHTunnelMode", o.SSHTunnelMode, "a tunnel leads to one port, and multi-server and multi-client mode have several")
	}
	return nil
}

// checkLogger refuses a Logger that would panic with the first line. It was not
// created by slog.New, or its handler is a nil pointer.
func checkLogger(o *Options) error {
	if o.Logger == nil {
		return nil
	}
	if h := reflect.ValueOf(o.Logger.Handler()); !h.IsValid() || h.Kind() == reflect.Pointer && h.IsNil() {
		return invalid("Logger", describedAs("a logger without a handler"), "make it with slog.New, or leave it nil for silence")
	}
	return nil
}

func checkSecurity(o *Options) error {
	if o.SecureMode < Grasslands || o.SecureMode > IronHouse {
		return invalid("SecureMode", o.SecureMode, "must be 0 (Grasslands), 1 (StoneHouse) or 2 (IronHouse)")
	}
	for field, list := range map[string][]string{"AllowAddresses": o.AllowAddresses, "DenyAddresses": o.DenyAddresses} {
		_, err := transport.ParsePrefixes(list)
		switch {
		case err != nil:
			return invalid(field, list, "%v", err)
		case len(list) > 0 && !o.ReceiveMode:
			return invalid(field, list, "needs a receive end: a send end does not check addresses")
		case len(list) > 0 && o.SecureMode == Grasslands:
			return fixed(invalid(field, list, "needs a secure mode: without one no address is checked"), set("SecureMode", StoneHouse), set("SecureMode", IronHouse))
		}
	}
	return nil
}

// ---- the options with their defaults filled in ----

func (o *Options) binds() bool {
	return o.Attach == AttachBind || o.Attach == AttachDefault && o.ReceiveMode != o.publisherBinds()
}

// publisherBinds reports whether by default the send end binds, as imagezmq's
// publisher.
func (o *Options) publisherBinds() bool { return o.Wire == ImageZMQWire && o.Pattern == PubSub }

func (o *Options) address() string {
	switch {
	case o.Address != "":
		return o.Address
	case o.binds():
		return defaultReceiveAddress
	}
	return defaultSendAddress
}

// ports returns all ports of this end, at least one.
func (o *Options) ports() []string {
	switch {
	case len(o.Ports) > 0:
		return o.Ports
	case o.Port != "":
		return []string{o.Port}
	}
	return []string{defaultPort}
}

// manyPorts reports whether this end uses several ports.
func (o *Options) manyPorts() bool {
	return o.ReceiveMode && o.MultiserverMode || !o.ReceiveMode && o.MulticlientMode
}

// peerPorts returns the ports of Ports by which frames are counted.
func (o *Options) peerPorts() []string {
	if !o.manyPorts() || o.Wire != NetGearWire || !o.ReceiveMode && o.Pattern != ReqRep {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(o.Ports), func(port string) bool { return port == "0" })
}

func (o *Options) protocol() string { return cmp.Or(o.Protocol, "tcp") }

// withDefaults returns the options with every zero field filled in.
func (o Options) withDefaults() Options {
	o.JPEGCompressionQuality = cmp.Or(o.JPEGCompressionQuality, defaultJPEGQuality)
	o.MaxRetries = cmp.Or(o.MaxRetries, defaultMaxRetries)
	if o.Wire == AsyncWire {
		o.RequestTimeout = cmp.Or(o.RequestTimeout, defaultAsyncTimeout)
		o.SubscriberTimeout = cmp.Or(o.SubscriberTimeout, defaultAsyncTimeout)
	}
	o.RequestTimeout = cmp.Or(o.RequestTimeout, defaultRequestTimeout)
	o.Adapt = o.Adapt.withDefaults()
	o.HighWaterMark = cmp.Or(o.HighWaterMark, defaultHighWaterMark)
	o.QueueFrames = cmp.Or(o.QueueFrames, defaultQueueFrames)
	o.QueueBytes = cmp.Or(o.QueueBytes, defaultQueueBytes)
	o.MaxFrameBytes = cmp.Or(o.MaxFrameBytes, defaultMaxFrameBytes)
	o.MaxPeers = cmp.Or(o.MaxPeers, defaultMaxPeers)
	o.TerminateDelay = cmp.Or(o.TerminateDelay, defaultTerminateDelay)
	o.HeartbeatTimeout = cmp.Or(o.HeartbeatTimeout, defaultHeartbeatTimeout)
	if !o.Pattern.spec().heartbeats {
		o.HeartbeatInterval = -1
	}
	o.Ports = slices.Clone(o.ports())
	o.AllowAddresses, o.DenyAddresses = slices.Clone(o.AllowAddresses), slices.Clone(o.DenyAddresses)
	o.SSHTunnelKnownHosts = slices.Clone(o.SSHTunnelKnownHosts)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}
