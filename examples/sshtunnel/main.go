// The program sshtunnel sends test pictures through an SSH host to a receive
// end on that host, or on a machine that it can reach.
//
// It shows how to
//
//  1. send through user@host (Options.SSHTunnelMode) to an address and a port
//     of that host's network,
//  2. log in with a key file, an agent or a password (SSHTunnelKeyfile,
//     SSHTunnelPwd),
//  3. trust only the right host (SSHTunnelKnownHosts, ErrHostKey),
//  4. see in the log that the tunnel was lost and restored; the stream
//     continues.
//
// Run it in the project's folder. The receive end is on port 5555 of the SSH
// host itself, for instance examples/receive with -address 127.0.0.1:
//
//	go run ./examples/sshtunnel -ssh camera@gate.example.org
//	go run ./examples/sshtunnel -ssh camera@gate.example.org:2222 -key ~/.ssh/camera -password
//
// A receive end on another machine, 192.168.7.4, behind the SSH host:
//
//	go run ./examples/sshtunnel -ssh camera@gate.example.org -address 192.168.7.4 -port 5454
//
// The receive end needs no option for the tunnel, and may be Python:
//
//	from vidgear.gears import NetGear
//	end = NetGear(receive_mode=True, address="127.0.0.1", pattern=0)
//	while (frame := end.recv()) is not None:
//	    print(frame.shape)
//	end.close()
//
// SSH encrypts the stream up to the SSH host. From there to another machine it
// is not encrypted, unless both ends have secure_mode as well (-options).
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/examples/internal/cli"
	"github.com/vidgear-go/netgear/internal/program"
	"github.com/vidgear-go/netgear/source/pace"
)

func main() { cli.Main(run) }

func run(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("sshtunnel", flag.ContinueOnError)
	conn := cli.NewConnection(fs) // -address and -port, for the SSH host
	host := fs.String("ssh", "", "the SSH `host`, as user@host or user@host:port")
	key := fs.String("key", "", "private key `file` (default the usual ones in ~/.ssh, and the agent's)")
	var password, given bool
	fs.BoolFunc("password", "ask for a password, or for the passphrase of -key;\nwithout a terminal it is the first line of standard input", func(text string) error {
		password, given = true, text != "true" // not an error of package flag, which would print it
		return nil
	})
	insecure := fs.Bool("ignore-host-key", false, "accept any host key: whoever sits on the way can read everything")
	var known []string
	fs.Func("known-hosts", "`file` that vouches for the host's key; may be given several times\n(default ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts)", func(file string) error {
		known = append(known, file)
		return nil
	})
	n := fs.Int("n", 0, "how many frames to send; 0 = until Ctrl-C")
	fps := fs.Float64("fps", 25, "frames per second")
	if err := cli.Parse(fs, args); err != nil {
		return err
	}
	if given {
		return fmt.Errorf("-password takes no value: it asks for the password, which others could read in a command line")
	}
	if *n < 0 || *fps <= 0 {
		return fmt.Errorf("-n must not be negative, and -fps must be more than 0")
	}
	options, err := conn.SendOptions()
	if err != nil {
		return err
	}
	if *host != "" {
		options.SSHTunnelMode = *host
	}
	if options.SSHTunnelMode == "" {
		return fmt.Errorf("-ssh user@host is missing")
	}
	if *key != "" {
		options.SSHTunnelKeyfile = *key
	}
	options.SSHTunnelKnownHosts = known
	options.SSHTunnelIgnoreHostKey = *insecure
	if err := cli.InFlags(options.Validate()); err != nil {
		return err
	}
	if password {
		text, err := ask(options.SSHTunnelMode)
		if err != nil {
			return err
		}
		options.SSHTunnelPwd = netgear.NewSecret(text) // not logged
	}
	options.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil)) // logs when the tunnel is lost and restored
	if options.MaxRetries == 0 {
		options.MaxRetries = -1 // then the stream continues, after any time
	}

	// New authenticates, so a wrong password or host key is an error here.
	end, err := netgear.New(options)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "logged in; sending to %s as %s sees it\n", end.Endpoints()[0], options.SSHTunnelMode)
	meter := cli.NewMeter("sent", *n)
	defer func() { meter.Summary(end.Stats()) }()
	defer end.Close() // sends the terminate message, then closes the tunnel

	sending, cancel := program.Grace(ctx, program.Exchange)
	defer cancel()
	pace := pace.New(*fps)
	for i := 0; *n == 0 || i < *n; i++ {
		if err := pace.Wait(ctx); err != nil {
			return err
		}
		if _, err := end.SendArray(sending, program.Picture(i), nil); err != nil {
			return err
		}
		meter.Frame()
	}
	return nil
}

// ask reads a password without echo.
func ask(host string) (string, error) {
	if stdin := int(os.Stdin.Fd()); term.IsTerminal(stdin) {
		fmt.Fprintf(os.Stderr, "password for %s, or passphrase of the key file: ", host)
		text, err := term.ReadPassword(stdin)
		fmt.Fprintln(os.Stderr)
		return string(text), err
	}
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", fmt.Errorf("-password: no password on standard input: %w", err)
	}
	return line, nil
}
