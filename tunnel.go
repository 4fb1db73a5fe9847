package netgear

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/vidgear-go/netgear/internal/sshtunnel"
)

// ErrHostKey is returned if known_hosts does not contain the SSH host's key. It
// also is an ErrAuth.
var ErrHostKey = fmt.Errorf("%w: host key", ErrAuth)

// openTunnel opens the SSH tunnel of a send end, if the options request one.
// The SSH host connects to Address and Port, which it resolves itself.
func openTunnel(ctx context.Context, o *Options) (*sshtunnel.Tunnel, error) {
	if o.SSHTunnelMode == "" {
		return nil, nil
	}
	t, err := sshtunnel.Open(ctx, sshtunnel.Config{
		Target:                o.SSHTunnelMode,
		Password:              o.SSHTunnelPwd.text,
		Keyfile:               o.SSHTunnelKeyfile,
		KnownHosts:            o.SSHTunnelKnownHosts,
		InsecureIgnoreHostKey: o.SSHTunnelIgnoreHostKey,
		Remote:                net.JoinHostPort(strings.Trim(o.address(), "[]"), o.Ports[0]),
		Logger:                o.Logger,
	})
	return t, tunnelError(err)
}

// tunnelError returns the tunnel's errors as errors of this package.
func tunnelError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sshtunnel.ErrHostKey):
		return fmt.Errorf("%w: %w", ErrHostKey, err)
	case errors.Is(err, sshtunnel.ErrAuth):
		return fmt.Errorf("%w: %w", ErrAuth, err)
	}
	return fmt.Errorf("%w: %w", ErrAddress, err)
}

func checkTunnel(o *Options) error {
	if strings.ContainsAny(o.SSHTunnelKeyfile, "\r\n") || strings.Contains(o.SSHTunnelKeyfile, "PRIVATE KEY") {
		return &OptionError{Field: "SSHTunnelKeyfile", Key: keyOf("SSHTunnelKeyfile"), Reason: "must be the path of a key file, not what is in it", Err: ErrOption}
	}
	if o.SSHTunnelMode == "" {
		return nil
	}
	at := max(strings.LastIndexByte(o.SSHTunnelMode, '@'), 0)
	switch {
	case strings.Contains(o.SSHTunnelMode[:at], ":"):
		return invalid("SSHTunnelMode", o.SSHTunnelMode, "must be user@host or user@host:port; a password goes into SSHTunnelPwd (ssh_tunnel_pwd)")
	case sshtunnel.CheckTarget(o.SSHTunnelMode) != nil:
		return invalid("SSHTunnelMode", o.SSHTunnelMode, "%v", sshtunnel.CheckTarget(o.SSHTunnelMode))
	case o.ReceiveMode || o.binds():
		return invalid("SSHTunnelMode", o.SSHTunnelMode, "a tunnel leads from a send end that connects; set it there")
	case o.protocol() != "tcp":
		return fixed(invalid("SSHTunnelMode", o.SSHTunnelMode, "a tunnel leads to a tcp port"), set("Protocol", "tcp"))
	}
	return nil
}
