// The program secure streams test pictures in one of the secure modes, and
// shows which ends are refused.
//
// It shows how to
//
//  1. encrypt a stream (Options.SecureMode, Options.CustomCertLocation),
//  2. give each machine a certificate folder of its own, and copy from one to the
//     other only what is public,
//  3. detect that an end was refused, and why (ErrAuth, OnEvent),
//  4. admit some addresses only (Options.AllowAddresses, Options.DenyAddresses).
//
// Run it in the project's folder. Both ends are in one process, with keys in a
// temporary folder:
//
//	go run ./examples/secure                    # IronHouse
//	go run ./examples/secure -mode 1            # StoneHouse
//
// With -only send or -only receive it is one end, on port 5555, and the other
// one may be Python on the same machine. Both need the same certificate folder,
// so create it first:
//
//	go run ./examples/keys -location mykeys
//	go run ./examples/secure -only receive -keys mykeys
//
// A send end in Python, to be run in the same folder:
//
//	import cv2
//	from vidgear.gears import NetGear
//	video = cv2.VideoCapture("examples/internal/sample/vtest-excerpt.avi")
//	end = NetGear(address="127.0.0.1", pattern=1, secure_mode=2, custom_cert_location="mykeys")
//	while (read := video.read())[0]:
//	    end.send(read[1])
//	end.close()
//
// A receive end in Python; start it first, then this program with -only send:
//
//	from vidgear.gears import NetGear
//	end = NetGear(receive_mode=True, address="127.0.0.1", pattern=1, secure_mode=2, custom_cert_location="mykeys")
//	while (frame := end.recv()) is not None:
//	    print(frame.shape)
//	end.close()
//
// A VidGear receive end admits only the address that is passed to it. In secure
// mode it is reliable with pattern 1 only: see docs/security.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/examples/internal/cli"
	"github.com/vidgear-go/netgear/internal/program"
	"github.com/vidgear-go/netgear/source/pace"
)

func main() { cli.Main(run) }

// settings are the program's flags.
type settings struct {
	common      netgear.Options // of every end
	only, keys  string
	allow, deny []string
	n           int
	fps         float64
}

func run(ctx context.Context, args []string) error {
	var s settings
	fs := flag.NewFlagSet("secure", flag.ContinueOnError)
	mode := fs.Int("mode", int(netgear.IronHouse), "1 StoneHouse (any key may send), 2 IronHouse (known keys only)")
	pattern := fs.Int("pattern", int(netgear.ReqRep), "0 PAIR, 1 REQ/REP, 2 PUB/SUB")
	fs.IntVar(&s.n, "n", 50, "how many frames to send")
	fs.Float64Var(&s.fps, "fps", 25, "frames per second")
	fs.StringVar(&s.only, "only", "", "be one `end`, send or receive, and leave the other to another program")
	fs.StringVar(&s.keys, "keys", "", "the `folder` that .vidgear/keys is in, with -only (default the home folder)")
	fs.StringVar(&s.common.Address, "address", "127.0.0.1", "host or IP `address`, with -only; * to receive on every interface")
	fs.StringVar(&s.common.Port, "port", cli.DefaultPort, "`port`, with -only")
	list := func(to *[]string) func(string) error {
		return func(text string) error { *to = strings.Split(text, ","); return nil }
	}
	fs.Func("allow", "admit these `addresses` only, such as 192.168.1.7,10.0.0.0/8; at the receive end", list(&s.allow))
	fs.Func("deny", "turn these `addresses` away; at the receive end", list(&s.deny))
	if err := cli.Parse(fs, args); err != nil {
		return err
	}
	s.common.SecureMode, s.common.Pattern = netgear.SecureMode(*mode), netgear.Pattern(*pattern)
	switch {
	case s.common.SecureMode != netgear.StoneHouse && s.common.SecureMode != netgear.IronHouse:
		return fmt.Errorf("-mode must be 1 (StoneHouse) or 2 (IronHouse)")
	case s.n < 1:
		return fmt.Errorf("-n must be at least 1")
	case s.fps <= 0:
		return fmt.Errorf("-fps must be more than 0")
	}

	switch s.only {
	case "send":
		return s.send(ctx, s.common.Port, s.keys)
	case "receive":
		end, err := s.listen(s.common.Port, s.keys)
		if err != nil {
			return err
		}
		defer end.Close()
		return receive(ctx, end)
	case "":
		return s.both(ctx)
	}
	return fmt.Errorf("-only must be send or receive")
}

// both runs both ends in one process.
func (s *settings) both(ctx context.Context) error {
	keys, err := os.MkdirTemp("", "netgear-secure-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(keys)
	receiver, camera, err := introduce(keys, s.common.SecureMode)
	if err != nil {
		return err
	}
	s.common.Address = "127.0.0.1"
	end, err := s.listen("0", receiver)
	if err != nil {
		return err
	}
	defer end.Close()
	port := end.Port()

	if err := s.tryRefused(ctx, port, keys, receiver); err != nil {
		return err
	}
	fmt.Println("\nNow the camera:")
	return program.Together(ctx,
		func(ctx context.Context) error { return receive(ctx, end) },
		func(ctx context.Context) error { return s.send(ctx, port, camera) })
}

// introduce creates a certificate folder for each of the two machines, and
// copies the public keys that each needs from the other. Secret files are not
// copied.
func introduce(keys string, mode netgear.SecureMode) (receiver, camera string, err error) {
	receiver, camera = filepath.Join(keys, "receiver"), filepath.Join(keys, "camera")
	if err := newFolder(camera); err != nil {
		return "", "", err
	}
	if err := newFolder(receiver); err != nil {
		return "", "", err
	}
	if err := copyKey(receiver, "server.key", camera, "server.key"); err != nil {
		return "", "", err
	}
	if mode == netgear.IronHouse {
		// The name has no meaning for the library.
		err = copyKey(camera, "client.key", receiver, "camera.key")
	}
	return receiver, camera, err
}

func newFolder(location string) error {
	_, err := netgear.CreateCertificates(location)
	return err
}

// copyKey copies a public key from one machine's folder to another's. Between
// two machines, use a channel on which an attacker cannot replace it.
func copyKey(from, name, to, as string) error {
	fmt.Printf("public key copied: %s/%s -> %s/%s\n", filepath.Base(from), name, filepath.Base(to), as)
	text, err := os.ReadFile(publicFile(from, name))
	if err != nil {
		return err
	}
	return os.WriteFile(publicFile(to, as), text, 0o644)
}

func publicFile(location, name string) string {
	return filepath.Join(location, ".vidgear", "keys", "public_keys", name)
}

// ---- the receive end ----

func (s *settings) listen(port, keys string) (*netgear.NetGear, error) {
	options := s.common
	options.ReceiveMode = true
	options.Port = port
	options.CustomCertLocation = keys
	options.AllowAddresses, options.DenyAddresses = s.allow, s.deny
	if s.only != "" {
		options.MaxRetries = -1 // wait for the send end without limit
	}
	options.OnEvent = func(state netgear.Event) {
		if state.Kind == netgear.EventRefused {
			fmt.Println("the receive end turned somebody away")
		}
	}
	return netgear.New(options)
}

func receive(ctx context.Context, end *netgear.NetGear) error {
	fmt.Println("listening on", end.Endpoints()[0])
	count := 0
	for frame, err := range end.Frames(ctx) {
		if err != nil {
			return program.Stopped(ctx, err)
		}
		count++
		frame.Close()
	}
	fmt.Println(count, "frames received")
	return nil
}

// ---- the send end ----

func (s *settings) send(ctx context.Context, port, keys string) error {
	options := s.common
	options.Port = port
	options.CustomCertLocation = keys
	end, err := netgear.New(options)
	if err != nil {
		return err
	}
	defer end.Close() // sends the terminate message
	sending, cancel := program.Grace(ctx, program.Exchange)
	defer cancel()
	pace := pace.New(s.fps)
	sent := 0
	for ; sent < s.n; sent++ {
		if err := pace.Wait(ctx); err != nil {
			break
		}
		if _, err := end.SendArray(sending, program.Picture(sent), nil); err != nil {
			return err // ErrAuth if the two ends do not trust each other
		}
	}
	fmt.Println(sent, "frames sent, encrypted")
	return nil
}

// ---- refused ends ----

// tryRefused tries to send with keys and addresses that must be refused.
func (s *settings) tryRefused(ctx context.Context, port, keys, receiver string) error {
	plain := s.common
	plain.SecureMode = netgear.Grasslands
	if err := s.tryAs(ctx, "somebody without keys", plain, port); err != nil {
		return err
	}
	stranger := s.common
	stranger.CustomCertLocation = filepath.Join(keys, "stranger")
	if err := newFolder(stranger.CustomCertLocation); err != nil {
		return err
	}
	if err := s.tryAs(ctx, "somebody with keys, but not the receive end's public one", stranger, port); err != nil {
		return err
	}
	fmt.Println("\nNow the stranger gets hold of it. It is public, after all.")
	if err := copyKey(receiver, "server.key", stranger.CustomCertLocation, "server.key"); err != nil {
		return err
	}
	if s.common.SecureMode == netgear.StoneHouse {
		fmt.Println("In StoneHouse that is all it takes to send. IronHouse (-mode 2) looks at the sender's own key, too.")
		return nil
	}
	return s.tryAs(ctx, "somebody whose key the receive end does not know", stranger, port)
}

// tryAs sends one frame, which must fail.
func (s *settings) tryAs(ctx context.Context, who string, options netgear.Options, port string) error {
	refused := make(chan error, 1)
	options.OnEvent = func(state netgear.Event) {
		if state.Kind == netgear.EventRefused {
			select {
			case refused <- state.Err:
			default:
			}
		}
	}
	options.Port = port
	options.RequestTimeout = time.Second
	options.MaxRetries = 1
	end, err := netgear.New(options)
	if err != nil {
		return err
	}
	defer end.Close()
	fmt.Printf("\n%s tries to send:\n", who)
	_, err = end.SendArray(ctx, program.Picture(0), nil)
	if err == nil && options.Pattern == netgear.PubSub {
		// A publisher does not wait for peers, so only OnEvent and the log
		// report it.
		select {
		case err = <-refused:
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Second):
		}
	}
	if err == nil {
		return fmt.Errorf("%s was not refused", who)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	fmt.Println("   ", err)
	return nil
}
