package main

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/vidgear-go/netgear/cmd/netgear/internal/settings"
	"github.com/vidgear-go/netgear/internal/loglimit"
)

// natsServer is how to connect to NATS.
type natsServer struct {
	urls            string
	creds, nkey     string
	ca, cert, key   string
	user            string
	password, token string // from the environment or the file
}

type natsConn = *nats.Conn

func (n *natsServer) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&n.urls, "nats", nats.DefaultURL, "connect to these NATS `SERVERS`, separated by commas")
	fs.StringVar(&n.creds, "nats-creds", "", "sign in with this credentials `FILE`")
	fs.StringVar(&n.nkey, "nats-nkey", "", "sign in with the NKey seed in this `FILE`")
	fs.StringVar(&n.user, "nats-user", "", "sign in with this `NAME`; NETGEAR_NATS_PASSWORD has the password")
	fs.StringVar(&n.ca, "nats-ca", "", "accept servers with certificates of the authority in this `FILE`")
	fs.StringVar(&n.cert, "nats-cert", "", "show the servers the certificate in this `FILE`")
	fs.StringVar(&n.key, "nats-key", "", "whose private key is in this `FILE`")
}

// read reads the secrets, and checks the flags.
func (n *natsServer) read(a *app, cmd *cobra.Command) (err error) {
	if n.password, err = a.secret(cmd, "nats-password"); err != nil {
		return err
	}
	if n.token, err = a.secret(cmd, "nats-token"); err != nil {
		return err
	}
	for url := range strings.SplitSeq(n.urls, ",") {
		if _, rest, ok := strings.Cut(url, "://"); strings.Contains(rest, "@") || !ok && strings.Contains(url, "@") {
			return settings.Wrong("--nats: a password in an address can be seen by other users; use --nats-user and NETGEAR_NATS_PASSWORD, or NETGEAR_NATS_TOKEN")
		}
	}
	switch {
	case count(n.creds != "", n.nkey != "", n.user != "", n.token != "") > 1:
		return settings.Wrong("--nats-creds, --nats-nkey, --nats-user and NETGEAR_NATS_TOKEN exclude each other")
	case n.user == "" && n.password != "":
		return settings.Wrong("NETGEAR_NATS_PASSWORD needs --nats-user")
	case (n.cert == "") != (n.key == ""):
		return settings.Wrong("--nats-cert and --nats-key belong together")
	}
	return nil
}

// natsTimeout is how long the server may take for an answer at the start.
const natsTimeout = 5 * time.Second

// connect connects, and reconnects whenever the connection is lost, also while
// the server refuses the credentials.
func (n *natsServer) connect(log *slog.Logger) (natsConn, error) {
	limit := loglimit.Retries()
	options := []nats.Option{
		nats.Name("netgear bridge"), nats.MaxReconnects(-1), nats.IgnoreAuthErrorAbort(), nats.Timeout(natsTimeout),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				limit.Log(log, slog.LevelWarn, "NATS: the connection is lost", "err", err)
			}
		}),
		nats.ReconnectHandler(func(c *nats.Conn) {
			limit.Log(log, slog.LevelInfo, "NATS: connected again", "server", c.ConnectedUrlRedacted())
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			limit.Log(log, slog.LevelWarn, "NATS reports an error", "err", err)
		}),
	}
	switch {
	case n.creds != "":
		options = append(options, nats.UserCredentials(n.creds))
	case n.nkey != "":
		o, err := nats.NkeyOptionFromSeed(n.nkey)
		if err != nil {
			return nil, fmt.Errorf("--nats-nkey %s: %w", n.nkey, err)
		}
		options = append(options, o)
	case n.token != "":
		options = append(options, nats.Token(n.token))
	case n.user != "":
		options = append(options, nats.UserInfo(n.user, n.password))
	}
	if n.ca != "" {
		options = append(options, nats.RootCAs(n.ca))
	}
	if n.cert != "" {
		options = append(options, nats.ClientCert(n.cert, n.key))
	}
	nc, err := nats.Connect(n.urls, options...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS at %s: %w", n.urls, err)
	}
	return nc, nil
}
