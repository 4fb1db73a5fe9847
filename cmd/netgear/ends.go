package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/board"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/live"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/settings"
	"github.com/vidgear-go/netgear/internal/program"
)

// input is a receive end of a command, not yet open.
type input struct {
	name    string
	options netgear.Options
}

const inputUsage = "receive from this `ENDPOINT`, such as tcp://*:5566 or\n" +
	"tcp://10.0.0.4:5555?pattern=2&attach=connect&name=gate; repeat it for more.\n" +
	"Its parameters are the flags of the connection, and a name\n" +
	"(default: one input, of the connection's flags)"

func addInputs(cmd *cobra.Command) {
	cmd.Flags().SortFlags = false
	cmd.Flags().StringArray("input", nil, inputUsage)
	addConnection(cmd)
	setDefault(cmd, "max-retries", "0") // as inputs has them
	setDefault(cmd, "terminate", "keep")
}

// setDefault changes the default that the help shows for a flag of the
// connection, for a command that has another than VidGear's.
func setDefault(cmd *cobra.Command, name, value string) {
	f := cmd.Flags().Lookup(name)
	before, _, _ := strings.Cut(f.Usage, " (default")
	f.Usage = before + " (default " + value + ")"
}

// inputs returns the receive ends of a command: those of --input, those of the
// settings file, or the one of the connection's flags. They wait for senders
// without limit, unless the settings have another limit. defaults are those of the command.
func (a *app) inputs(cmd *cobra.Command, defaults netgear.Options) ([]input, error) {
	layers, err := settings.Layers(cmd.Flags(), a.file, cmd.Name())
	if err != nil {
		return nil, err
	}
	if cmd.Flags().Lookup("output") != nil {
		layers = settings.ReceiveSide.Of(layers)
	}
	endpoints, err := a.endpoints(cmd, "input", "name")
	if err != nil {
		return nil, err
	}
	if endpoints == nil {
		endpoints = []settings.Endpoint{{Layer: settings.Layer{Values: map[string]string{}}}}
	}
	defaults.ReceiveMode, defaults.MaxRetries, defaults.TerminatePolicy, defaults.Logger = true, -1, netgear.KeepWaiting, a.logger
	var inputs []input
	used := map[string]bool{}
	for _, e := range endpoints {
		name := e.Take("name", "")
		o, err := e.Resolve(defaults, layers)
		if err != nil {
			return nil, err
		}
		if name == "" {
			name = defaultName(o)
		}
		inputs = append(inputs, input{unique(name, used), o})
	}
	return inputs, nil
}

// unique returns a name that is not in use, and notes it.
func unique(name string, used map[string]bool) string {
	for n, base := 2, name; used[name]; n++ {
		name = base + " (" + strconv.Itoa(n) + ")"
	}
	used[name] = true
	return name
}

// endpoints returns the endpoints of a flag or, if it is not set, of the
// settings file.
func (a *app) endpoints(cmd *cobra.Command, kind string, known ...string) ([]settings.Endpoint, error) {
	texts, _ := cmd.Flags().GetStringArray(kind)
	if len(texts) == 0 {
		return a.file.Endpoints(cmd.Name(), kind, known...)
	}
	var all []settings.Endpoint
	for _, text := range texts {
		e, err := settings.ParseEndpoint("--"+kind, text, known...)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

// defaultName returns the name of an end that has none.
func defaultName(o netgear.Options) string {
	port := portsOf(&o)[0]
	if o.Address == "" || o.Address == "*" {
		return port
	}
	if o.Protocol == "ipc" {
		return o.Address
	}
	return o.Address + ":" + port
}

// receiveAll passes the frames of an end to take, until the sender has ended
// the stream. A peer that is gone does not end it. Frames are closed after take.
func receiveAll(ctx context.Context, end *netgear.NetGear, take func(*netgear.Frame) error) error {
	for {
		frame, err := end.Recv(ctx)
		switch {
		case err == nil:
			err = take(frame)
			frame.Close()
			if err != nil {
				return err
			}
		case errors.Is(err, io.EOF):
			return nil
		case ctx.Err() == nil && (errors.Is(err, netgear.ErrPeerGone) || errors.Is(err, netgear.ErrTimeout)):
		default:
			return err
		}
	}
}

// receiveQueued passes the frames that wait in the queue of an end to take. They
// have been answered.
func receiveQueued(end *netgear.NetGear, take func(*netgear.Frame) error) {
	ctx, cancel := context.WithTimeout(context.Background(), program.Exchange)
	defer cancel()
	for range end.Stats().Queue {
		frame, err := end.Recv(ctx)
		if err != nil {
			return
		}
		err = take(frame)
		frame.Close()
		if err != nil {
			return
		}
	}
}

// sender returns the name of a frame's sender: of the input, and with several
// senders their port or address.
func sender(input string, f *netgear.Frame) string {
	if f.Port != "" {
		return fmt.Sprintf("%s/%s", input, f.Port)
	}
	return input
}

// openEnds are the open inputs of a command.
type openEnds struct {
	ends  []*netgear.NetGear
	names []string
	rows  []*board.Input
}

// openInputs opens all inputs, and adds them to a board.
func openInputs(inputs []input, b *board.Board) (*openEnds, error) {
	o := &openEnds{}
	for _, in := range inputs {
		row := b.Input(in.name)
		in.options.OnEvent = row.Event
		end, err := netgear.New(in.options)
		if err != nil {
			o.close()
			return nil, fmt.Errorf("input %s: %w", in.name, err)
		}
		row.Open(end.Stats)
		announce(end)
		o.ends, o.names, o.rows = append(o.ends, end), append(o.names, in.name), append(o.rows, row)
	}
	return o, nil
}

// receive passes the frames of all inputs to take, with the input's index, until
// all streams have ended or one fails. take is called by several goroutines. An
// input whose stream has not ended is closed as soon as its frames are not taken
// any more: it would answer frames that go nowhere.
func (o *openEnds) receive(ctx context.Context, take func(input int, f *netgear.Frame) error) error {
	var all []func(context.Context) error
	for i, end := range o.ends {
		all = append(all, func(ctx context.Context) error {
			row := func(f *netgear.Frame) error {
				o.rows[i].Frame(f)
				return take(i, f)
			}
			err := receiveAll(ctx, end, row)
			if err != nil {
				if ctx.Err() != nil {
					receiveQueued(end, row)
				}
				end.Close()
			}
			return err
		})
	}
	return program.Together(ctx, all[0], all[1:]...)
}

func (o *openEnds) close() {
	for _, end := range o.ends {
		end.Close()
	}
}

// summary prints a line for each input: what it has received, and lost. The
// inputs must be closed: they discard what is queued then.
func (o *openEnds) summary() {
	for i, end := range o.ends {
		s := end.Stats()
		fmt.Fprintf(live.Stderr, "input %s: %s received%s\n", o.names[i], program.Count(s.Frames, "frame", "frames"), program.Account(s))
	}
}
