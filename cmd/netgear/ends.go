package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/settings"
)

// input is a receive end of a command, not yet open.
type input struct {
	name    string
	options netgear.Options
}

const inputUsage = `receive from this ENDPOINT, such as "tcp://*:5566" or
"tcp://10.0.0.4:5555?pattern=2&attach=connect&name=gate"; repeat it for more.
Its parameters are the flags of the connection, and a name
(default: one input, of the connection's flags)`

func addInputs(cmd *cobra.Command) {
	cmd.Flags().StringArray("input", nil, inputUsage)
	addConnection(cmd)
}

// inputs returns the receive ends of a command: those of --input, those of the
// settings file, or the one of the connection's flags. They wait for senders
// without limit, unless the settings have another limit.
func (a *app) inputs(cmd *cobra.Command) ([]input, error) {
	layers, err := settings.Layers(cmd.Flags(), a.file, cmd.Name())
	if err != nil {
		return nil, err
	}
	endpoints, err := a.endpoints(cmd, "input", "name")
	if err != nil {
		return nil, err
	}
	if endpoints == nil {
		endpoints = []settings.Endpoint{{Layer: settings.Layer{Values: map[string]string{}}}}
	}
	var inputs []input
	used := map[string]bool{}
	for _, e := range endpoints {
		name := e.Take("name", "")
		o, err := e.Resolve(netgear.Options{
			ReceiveMode: true, MaxRetries: -1, TerminatePolicy: netgear.KeepWaiting, Logger: a.logger,
		}, layers)
		if err != nil {
			return nil, err
		}
		if name == "" {
			name = defaultName(o)
		}
		for n, base := 2, name; used[name]; n++ {
			name = base + " (" + strconv.Itoa(n) + ")"
		}
		used[name] = true
		inputs = append(inputs, input{name, o})
	}
	return inputs, nil
}

// endpoints returns the endpoints of a flag or, if it is not set, of the
// settings file.
func (a *app) endpoints(cmd *cobra.Command, kind string, known ...string) ([]settings.Endpoint, error) {
	texts, _ := cmd.Flags().GetStringArray(kind)
	if texts == nil {
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
	port := o.Port
	if len(o.Ports) > 0 {
		port = o.Ports[0]
	}
	if port == "" {
		port = "5555"
	}
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

// sender returns the name of a frame's sender: of the input, and with several
// senders their port or address.
func sender(input string, f *netgear.Frame) string {
	if f.Port != "" {
		return fmt.Sprintf("%s/%s", input, f.Port)
	}
	return input
}
