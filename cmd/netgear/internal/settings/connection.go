// Package settings reads the settings of a command: from its flags, from the
// environment and from a file, in this order of precedence.
package settings

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vidgear-go/netgear"
)

// Connection is one setting of a connection. It is a flag, a variable of the
// environment, a key of the settings file and a parameter of an endpoint.
type Connection struct {
	Name   string
	Value  string   // what stands for the value in the help
	Usage  string   // the line in the help
	Field  string   // of netgear.Options, to which errors refer
	Secret bool     // there is no flag: command lines are visible
	Words  []string // the values, for the completion
	Side   Side     // the ends that have it
	set    func(o *netgear.Options, text string) error
}

// Side is the ends for which a setting is. At the others it is an error.
type Side int

// The sides. The zero value is both.
const (
	ReceiveSide Side = iota + 1
	SendSide
)

// Of returns the layers without the settings of the other side: the ends of a
// command that has both share them.
func (s Side) Of(layers []Layer) []Layer {
	var all []Layer
	for _, layer := range layers {
		layer.Values = maps.Clone(layer.Values)
		for _, c := range Connections {
			if c.Side != 0 && c.Side != s {
				delete(layer.Values, c.Name)
			}
		}
		all = append(all, layer)
	}
	return all
}

// Connections lists the settings of a connection, in the order of the help.
var Connections = []Connection{
	{Name: "address", Value: "HOST", Field: "Address", set: text(func(o *netgear.Options) *string { return &o.Address }),
		Usage: "host or IP address; with --protocol ipc a path\n(default localhost to send, every interface to receive)"},
	{Name: "port", Value: "PORT", Field: "Port", set: setPorts,
		Usage: "port, or several as P,P,… for multi-server (receive) and multi-client (send);\n0 to listen on any free port (default 5555)"},
	{Name: "protocol", Value: "tcp|ipc", Field: "Protocol", Words: []string{"tcp", "ipc"}, set: text(func(o *netgear.Options) *string { return &o.Protocol }),
		Usage: "the transport (default tcp)"},
	{Name: "pattern", Value: "N", Field: "Pattern", Words: []string{"0\tPAIR", "1\tREQ/REP", "2\tPUB/SUB", "3\tPUSH/PULL, with --wire NetGear_Async"},
		set:   func(o *netgear.Options, s string) error { return o.Pattern.UnmarshalText([]byte(s)) },
		Usage: "0 PAIR, 1 REQ/REP, 2 PUB/SUB and, with --wire NetGear_Async, 3 PUSH/PULL;\nthe same at both ends (default 0; 1 with --wire imagezmq)"},
	{Name: "wire", Value: "CLASS", Field: "Wire", Words: []string{"NetGear", "NetGear_Async", "imagezmq"}, set: setWire,
		Usage: "what runs at the other end: VidGear's NetGear or NetGear_Async, or imagezmq\n(default NetGear)"},
	{Name: "attach", Value: "bind|connect", Field: "Attach", Words: []string{"bind\tlisten", "connect"},
		set:   func(o *netgear.Options, s string) error { return o.Attach.UnmarshalText([]byte(s)) },
		Usage: "listen or connect, for instance for many viewers of one sender\n(default: the receive end listens, as VidGear;\nwith --wire imagezmq and --pattern 2 the send end, as imagezmq)"},
	{Name: "options", Value: "JSON", set: setDictionary,
		Usage: "VidGear's option dictionary, such as '{\"jpeg_compression\": false}', or @FILE with it"},
	{Name: "secure-mode", Value: "MODE", Field: "SecureMode", Words: []string{"0\tGrasslands: none", "1\tStoneHouse: encrypted", "2\tIronHouse: encrypted, known keys only"},
		set:   func(o *netgear.Options, s string) error { return o.SecureMode.UnmarshalText([]byte(s)) },
		Usage: "0 Grasslands, 1 StoneHouse, 2 IronHouse (default 0)"},
	{Name: "cert-location", Value: "DIR", Field: "CustomCertLocation", set: text(func(o *netgear.Options) *string { return &o.CustomCertLocation }),
		Usage: "the folder that holds .vidgear/keys (default the home folder)"},
	{Name: "allow", Value: "NET,...", Field: "AllowAddresses", Side: ReceiveSide, set: list(func(o *netgear.Options) *[]string { return &o.AllowAddresses }),
		Usage: "with --secure-mode 1 or 2, which check addresses: the only senders that the\nreceive end admits, such as 10.0.0.0/8"},
	{Name: "deny", Value: "NET,...", Field: "DenyAddresses", Side: ReceiveSide, set: list(func(o *netgear.Options) *[]string { return &o.DenyAddresses }),
		Usage: "with --secure-mode 1 or 2: senders that the receive end rejects"},
	{Name: "ssh", Value: "USER@HOST", Field: "SSHTunnelMode", Side: SendSide, set: text(func(o *netgear.Options) *string { return &o.SSHTunnelMode }),
		Usage: "send through an SSH tunnel"},
	{Name: "ssh-keyfile", Value: "FILE", Field: "SSHTunnelKeyfile", Side: SendSide, set: text(func(o *netgear.Options) *string { return &o.SSHTunnelKeyfile }),
		Usage: "the private key for the SSH host (default the usual ones, and the agent's)"},
	{Name: "ssh-known-hosts", Value: "FILE,...", Field: "SSHTunnelKnownHosts", Side: SendSide, set: list(func(o *netgear.Options) *[]string { return &o.SSHTunnelKnownHosts }),
		Usage: "the files with accepted host keys (default the user's and the system's)"},
	{Name: "ssh-password", Field: "SSHTunnelPwd", Side: SendSide, Secret: true,
		set: func(o *netgear.Options, s string) error { o.SSHTunnelPwd = netgear.NewSecret(s); return nil }},
	{Name: "max-retries", Value: "N", Field: "MaxRetries", set: setRetries,
		Usage: "how often a lost peer is tried again; 0: without limit (default 3)"},
	{Name: "request-timeout", Value: "TIME", Field: "RequestTimeout", set: duration(func(o *netgear.Options) *time.Duration { return &o.RequestTimeout }),
		Usage: "the wait for one answer (default 4s; 15s with NetGear_Async)"},
	{Name: "max-age", Value: "TIME", Field: "Adapt", set: duration(func(o *netgear.Options) *time.Duration { return &o.Adapt.MaxAge }),
		Usage: "adapt what is sent to the network, so that no frame is older on arrival\n(such as 500ms; default: as it is)"},
	{Name: "min-quality", Value: "N", Field: "Adapt", set: count(func(o *netgear.Options) *int { return &o.Adapt.MinQuality }),
		Usage: "the least JPEG quality with --max-age (default 30)"},
	{Name: "min-scale", Value: "SHARE", Field: "Adapt", set: share(func(o *netgear.Options) *float64 { return &o.Adapt.MinScale }),
		Usage: "the least share of width and height with --max-age, 0.125 to 1 (default 0.5)"},
	{Name: "min-fps", Value: "N", Field: "Adapt", set: share(func(o *netgear.Options) *float64 { return &o.Adapt.MinFPS }),
		Usage: "the least frames per second with --max-age (default 5)"},
	{Name: "send-latest", Value: "on|off", Field: "SendLatest", Words: []string{"on", "off"}, set: toggle(func(o *netgear.Options) *bool { return &o.SendLatest }),
		Usage: "a frame that waits to be sent is replaced by a newer one (default off)"},
	{Name: "stamp", Value: "on|off", Field: "Stamp", Words: []string{"on", "off"}, set: toggle(func(o *netgear.Options) *bool { return &o.Stamp }),
		Usage: "number the frames and add the time of capture, for latency and losses;\nat both ends (default off)"},
	{Name: "terminate", Value: "stop|keep", Field: "TerminatePolicy", Words: []string{"stop", "keep\twait for the next sender"}, set: setTerminate,
		Usage: "what a receive end does when the sender has ended (default stop)"},
	{Name: "queue", Value: "FRAMES", Field: "QueueFrames", set: count(func(o *netgear.Options) *int { return &o.QueueFrames }),
		Usage: "how many received frames may wait (default 96)"},
	{Name: "max-frame", Value: "SIZE", Field: "MaxFrameBytes", set: size(func(o *netgear.Options) *int64 { return &o.MaxFrameBytes }),
		Usage: "the largest part that is received, such as 8MiB (default 256MiB)"},
}

// find returns the setting with a name, or nil.
func find(name string) *Connection {
	i := slices.IndexFunc(Connections, func(c Connection) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return &Connections[i]
}

func text(field func(*netgear.Options) *string) func(*netgear.Options, string) error {
	return func(o *netgear.Options, s string) error { *field(o) = s; return nil }
}

func list(field func(*netgear.Options) *[]string) func(*netgear.Options, string) error {
	return func(o *netgear.Options, s string) error { *field(o) = split(s); return nil }
}

func split(s string) []string {
	if s == "" {
		return nil
	}
	parts := strings.Split(s, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

func duration(field func(*netgear.Options) *time.Duration) func(*netgear.Options, string) error {
	return func(o *netgear.Options, s string) error {
		d, err := time.ParseDuration(s)
		if err != nil {
			return errTime
		}
		*field(o) = d
		return nil
	}
}

// count accepts no number that int does not hold, which may have 32 bits.
func count(field func(*netgear.Options) *int) func(*netgear.Options, string) error {
	return func(o *netgear.Options, s string) error {
		n, err := strconv.Atoi(s)
		if err != nil {
			return errInteger
		}
		*field(o) = n
		return nil
	}
}

func size(field func(*netgear.Options) *int64) func(*netgear.Options, string) error {
	return func(o *netgear.Options, s string) error {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			n, err = Size(s)
		}
		*field(o) = n
		return err
	}
}

func share(field func(*netgear.Options) *float64) func(*netgear.Options, string) error {
	return func(o *netgear.Options, s string) error {
		n, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return errNumber
		}
		*field(o) = n
		return nil
	}
}

func toggle(field func(*netgear.Options) *bool) func(*netgear.Options, string) error {
	return func(o *netgear.Options, s string) error {
		switch strings.ToLower(s) {
		case "on", "true", "1", "yes":
			*field(o) = true
		case "off", "false", "0", "no":
			*field(o) = false
		default:
			return fmt.Errorf("must be on or off")
		}
		return nil
	}
}

func setPorts(o *netgear.Options, s string) error {
	o.Port, o.Ports = "", nil
	if ports := split(s); len(ports) > 1 {
		o.Ports = ports
	} else {
		o.Port = s
	}
	return nil
}

func setWire(o *netgear.Options, s string) error {
	if strings.EqualFold(s, "async") {
		s = netgear.AsyncWire.String()
	}
	return o.Wire.UnmarshalText([]byte(s))
}

// setRetries reads VidGear's number, of which 0 is no limit.
func setRetries(o *netgear.Options, s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return fmt.Errorf("must be a whole number, 0 for no limit")
	}
	if o.MaxRetries = n; n == 0 {
		o.MaxRetries = -1
	}
	return nil
}

func setTerminate(o *netgear.Options, s string) error {
	switch s {
	case "stop":
		o.TerminatePolicy = netgear.StopOnTerminate
	case "keep":
		o.TerminatePolicy = netgear.KeepWaiting
	default:
		return fmt.Errorf("must be stop or keep")
	}
	return nil
}

// setDictionary reads VidGear's option dictionary, or the file with it.
func setDictionary(o *netgear.Options, s string) error {
	text, err := readDictionary(s)
	if err != nil {
		return err
	}
	// json.Unmarshal would refuse Python's NaN before the library parses it.
	return o.UnmarshalJSON(text)
}

// readDictionary returns a dictionary, or the content of the file that s names.
func readDictionary(s string) ([]byte, error) {
	if file, ok := strings.CutPrefix(s, "@"); ok {
		return readFile(file)
	}
	return []byte(s), nil
}

// asJSON returns a value of a settings file as JSON.
func asJSON(v any) (string, error) {
	raw, err := json.Marshal(v)
	return string(raw), err
}
