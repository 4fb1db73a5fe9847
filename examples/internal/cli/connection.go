package cli

import (
	"flag"
	"fmt"
	"strings"

	"github.com/vidgear-go/netgear"
)

// DefaultPort is the default of netgear.Options.Port.
const DefaultPort = "5555"

// Connection holds the connection flags: addresses, pattern and options.
type Connection struct {
	fs                                *flag.FlagSet
	address, port, protocol, settings string
	pattern                           int
	async                             bool
}

// NewConnection adds the connection flags to fs.
func NewConnection(fs *flag.FlagSet) *Connection {
	c := &Connection{fs: fs}
	fs.StringVar(&c.address, "address", "", "host or IP `address`; with -protocol ipc a path\n"+
		"(default localhost to send, every interface to receive)")
	fs.StringVar(&c.port, "port", DefaultPort, "`port`, or several as P,P,… for multi-server (receive) and multi-client (send);\n"+
		"0 to receive on any free port")
	fs.StringVar(&c.protocol, "protocol", "tcp", "tcp or ipc")
	fs.IntVar(&c.pattern, "pattern", 0, "0 PAIR, 1 REQ/REP, 2 PUB/SUB and, with -async, 3 PUSH/PULL; the same at both ends")
	fs.BoolVar(&c.async, "async", false, "the other end is VidGear's NetGear_Async, or has -async: raw pixels, and messages as msgpack")
	fs.StringVar(&c.settings, "options", "", "VidGear's option dictionary as `JSON`, such as '{\"jpeg_compression\": false}'")
	return c
}

// SendOptions returns the options of a send end.
func (c *Connection) SendOptions() (netgear.Options, error) { return c.options(false) }

// ReceiveOptions returns the options of a receive end.
func (c *Connection) ReceiveOptions() (netgear.Options, error) { return c.options(true) }

// options returns the options of the flags. A flag that was set takes
// precedence over the same key in -options. Errors name flags and keys.
func (c *Connection) options(receive bool) (netgear.Options, error) {
	var o netgear.Options
	if c.async {
		o.Wire = netgear.AsyncWire // the error lists the keys that the dictionary may have
	}
	if c.settings != "" {
		// json.Unmarshal would refuse Python's NaN before the library parses
		// it.
		if err := o.UnmarshalJSON([]byte(c.settings)); err != nil {
			return o, flags.InDictionary(err)
		}
	}
	if o.ReceiveMode && !receive {
		return o, fmt.Errorf("-options: receive_mode is true, but this program sends; run examples/receive instead")
	}
	o.ReceiveMode = receive
	c.fs.Visit(func(f *flag.Flag) {
		switch f.Name {
		case "address":
			o.Address = c.address
		case "port":
			o.Port, o.Ports = "", nil
			if ports := strings.Split(c.port, ","); len(ports) > 1 {
				o.Ports = ports
			} else {
				o.Port = c.port
			}
		case "protocol":
			o.Protocol = c.protocol
		case "pattern":
			o.Pattern = netgear.Pattern(c.pattern)
		}
	})
	return o, flags.Reword(o.Validate())
}
