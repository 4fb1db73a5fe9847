package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/live"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/settings"
	"github.com/vidgear-go/netgear/internal/program"
	"github.com/vidgear-go/netgear/web"
)

// viewCommand holds the settings of the command view.
type viewCommand struct {
	listen, cert, key, user string
	options                 web.Options
	metrics                 metricsFlags

	inputs []input
}

func (a *app) view() *cobra.Command {
	var v viewCommand
	cmd := &cobra.Command{
		Use: "view", Short: "Show streams in a browser", Args: noArguments,
		Long: `Receive streams and show them in a browser: a tile for each sender. JPEGs pass
through untouched, and a slow browser costs others nothing.

It listens on loopback unless --listen names another address; then set a user or
a token, and a certificate. The password and the token are secrets:
NETGEAR_PASSWORD and NETGEAR_TOKEN, or password and token in the table [view] of
the settings file.`,
		Example: `  netgear view
  netgear view --input tcp://*:5566?name=gate --input "tcp://10.0.0.4:5555?pattern=2&attach=connect"
  NETGEAR_PASSWORD=… netgear view --listen :8443 --user joe --tls-cert cert.pem --tls-key key.pem
  curl http://127.0.0.1:8080/frame.jpg > now.jpg
  curl 'http://127.0.0.1:8080/stream.mjpg?stream=gate' > gate.mjpeg
  curl http://127.0.0.1:8080/api/streams          # the streams, as JSON`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := v.read(a, cmd); err != nil {
				return err
			}
			runtime.UnlockOSThread()
			return v.run(cmd.Context(), a)
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&v.listen, "listen", "127.0.0.1:8080", "serve the page at `HOST:PORT`")
	fs.StringVar(&v.cert, "tls-cert", "", "serve https with the certificate in this `FILE` (PEM)")
	fs.StringVar(&v.key, "tls-key", "", "the certificate's key, a `FILE` (PEM)")
	fs.StringVar(&v.user, "user", "", "ask for this user `NAME` and the password of NETGEAR_PASSWORD")
	fs.StringArrayVar(&v.options.Hosts, "host", nil, "a `NAME` by which browsers reach the page, without TLS, user and token")
	fs.StringArrayVar(&v.options.Origins, "origin", nil, "a `HOST` whose pages may embed the streams")
	fs.StringVar(&v.options.Title, "title", "", "the page's title, a `TEXT`")
	fs.IntVar(&v.options.MaxViewers, "max-viewers", 0, "at most `N` may watch at once (default 64)")
	fs.IntVar(&v.options.MaxStreams, "max-streams", 0, "show at most `N` senders (default 64)")
	v.metrics.add(fs)
	addInputs(cmd)
	setDefault(cmd, "stamp", "on")
	return cmd
}

func (v *viewCommand) read(a *app, cmd *cobra.Command) error {
	var err error
	if v.inputs, err = a.inputs(cmd, netgear.Options{Latest: true, Stamp: true, Decode: netgear.DecodeOnUse}); err != nil {
		return err
	}
	password, err := a.secret(cmd, "password")
	if err != nil {
		return err
	}
	token, err := a.secret(cmd, "token")
	if err != nil {
		return err
	}
	v.options.User, v.options.Logger = v.user, a.logger
	v.options.Password, v.options.Token = netgear.NewSecret(password), netgear.NewSecret(token)
	switch {
	case (v.cert == "") != (v.key == ""):
		return settings.Wrong("--tls-cert and --tls-key go together")
	case v.user != "" && password == "":
		return settings.Wrong("--user: the password is missing: set NETGEAR_PASSWORD, or password in the settings file")
	case v.user == "":
		v.options.Password = netgear.Secret{} // of another command
	}
	if err := checkListen("--listen", v.listen); err != nil {
		return err
	}
	if !v.protected() && !loopback(v.listen) {
		fmt.Fprintln(live.Stderr, "warning: anyone who reaches", v.listen, "sees the pictures: there is no --user and no token")
	}
	return nil
}

// protected reports whether viewers must identify themselves.
func (v *viewCommand) protected() bool { return v.user != "" || !v.options.Token.IsZero() }

// loopback reports whether an address is reached from this machine only.
func loopback(listen string) bool {
	host, _, _ := net.SplitHostPort(listen)
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// viewFlags has the flags for fields of web.Options.
var viewFlags = map[string]string{"MaxViewers": "--max-viewers", "MaxStreams": "--max-streams", "Origins": "--origin"}

// run serves the page until the context or all streams end.
func (v *viewCommand) run(ctx context.Context, a *app) error {
	viewer, err := web.New(v.options)
	if err != nil {
		return settings.InFlags(err, web.ErrOption, viewFlags)
	}
	defer viewer.Close()
	var tlsConfig *tls.Config
	if v.cert != "" {
		pair, err := tls.LoadX509KeyPair(v.cert, v.key)
		if err != nil {
			return settings.Wrong("--tls-cert, --tls-key: %w", err)
		}
		tlsConfig = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	}
	meter, err := v.metrics.open(a.logger)
	if err != nil {
		return err
	}
	defer meter.close()
	page, err := listenHTTP("--listen", v.listen, viewer, v.options.MaxViewers, tlsConfig, a.logger)
	if err != nil {
		return err
	}
	defer page.close(viewer.Close)
	ends := &openEnds{}
	defer ends.close()
	serve, err := v.open(viewer, meter, ends)
	if err != nil {
		return err
	}
	fmt.Fprintf(live.Stderr, "viewer %s\n", page.url())
	err = program.Together(ctx, page.wait, serve...)
	ends.close()
	ends.summary()
	return err
}

// open opens the receive ends, and adds them to ends, also if it fails. The
// functions receive their frames until the context ends.
func (v *viewCommand) open(viewer *web.Viewer, meter *meter, ends *openEnds) (serve []func(context.Context) error, err error) {
	for _, in := range v.inputs {
		from := viewer.Source(in.name)
		in.options.OnEvent = from.Event
		end, err := netgear.New(in.options)
		if err != nil {
			return nil, fmt.Errorf("input %s: %w", in.name, err)
		}
		ends.ends, ends.names = append(ends.ends, end), append(ends.names, in.name)
		if err := meter.add(in.name, end); err != nil {
			return nil, err
		}
		announce(end)
		serve = append(serve, func(ctx context.Context) error {
			if err := from.Serve(ctx, end); err != nil {
				return err
			}
			<-ctx.Done() // the sender has ended; the page still shows that
			return nil
		})
	}
	return serve, nil
}
