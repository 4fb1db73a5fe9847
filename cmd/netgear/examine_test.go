package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/health"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/probe"
)

// What a probe found is compared with the settings.
func TestDiagnose(t *testing.T) {
	t.Parallel()
	plain := probe.Result{Kind: probe.ZeroMQ, ZMTP: "3.1", Mechanism: "NULL", Socket: "REP"}
	secure := probe.Result{Kind: probe.ZeroMQ, ZMTP: "3.1", Mechanism: "CURVE"}
	with := func(r probe.Result, change func(*probe.Result)) probe.Result { change(&r); return r }
	pair, reqRep := doctorCommand{pattern: true}, doctorCommand{pattern: true, options: netgear.Options{Pattern: netgear.ReqRep}}
	house := doctorCommand{secure: true, options: netgear.Options{SecureMode: netgear.StoneHouse}}
	for name, c := range map[string]struct {
		d    doctorCommand
		r    probe.Result
		line string // of the check that counts
		want health.Status
		text string // in its detail or its remedy
	}{
		"nothing":         {pair, probe.Result{Kind: probe.Nothing}, "", health.Fail, "nothing listens here"},
		"unreachable":     {pair, probe.Result{Kind: probe.Unreachable, Detail: "no answer"}, "", health.Fail, "cannot be reached: no answer"},
		"foreign":         {pair, probe.Result{Kind: probe.Foreign, Detail: `it answers "SSH"`}, "", health.Fail, "this is not ZeroMQ"},
		"silent":          {pair, probe.Result{Kind: probe.Silent}, "", health.Fail, "or it hangs"},
		"old":             {pair, probe.Result{Kind: probe.ZeroMQ, ZMTP: "1.0", Detail: "before 2013"}, "", health.Fail, "before 2013"},
		"wrong pattern":   {pair, plain, "pattern", health.Fail, "set --pattern 1 here, or pattern 0 there"},
		"right pattern":   {reqRep, plain, "pattern", health.OK, "1 (REQ/REP), socket REP: a receive end"},
		"any pattern":     {doctorCommand{}, plain, "pattern", health.OK, "a receive end: send to it"},
		"publisher":       {doctorCommand{}, with(plain, func(r *probe.Result) { r.Socket = "XPUB" }), "pattern", health.OK, "receive from it with --attach connect"},
		"other ZeroMQ":    {doctorCommand{}, with(plain, func(r *probe.Result) { r.Socket = "ROUTER" }), "pattern", health.Fail, "no end of NetGear"},
		"busy":            {doctorCommand{}, with(plain, func(r *probe.Result) { r.Socket, r.Busy = "", true }), "pattern", health.Note, "serves another peer"},
		"plain":           {doctorCommand{}, plain, "security", health.OK, "none"},
		"plain, secure":   {house, plain, "security", health.Fail, "set --secure-mode 1 there too"},
		"secure, unset":   {doctorCommand{}, secure, "security", health.OK, "CURVE"},
		"secure, plain":   {doctorCommand{secure: true}, secure, "security", health.Fail, "set --secure-mode 1 or 2 here"},
		"keys fit":        {house, with(secure, func(r *probe.Result) { r.Keys = probe.KeysAccepted }), "security", health.OK, "accepts the keys"},
		"other server":    {house, with(secure, func(r *probe.Result) { r.Keys = probe.KeysWrong }), "security", health.Fail, "another one than server.key"},
		"unknown client":  {house, with(secure, func(r *probe.Result) { r.Keys = probe.KeysRefused }), "security", health.Fail, "public_keys/client.key to it"},
		"PLAIN":           {doctorCommand{}, with(secure, func(r *probe.Result) { r.Mechanism = "PLAIN" }), "security", health.Fail, "NetGear does not use"},
		"unknown wire":    {doctorCommand{}, plain, "wire", health.Note, "cannot be seen"},
		"right wire":      {doctorCommand{wire: true}, with(plain, func(r *probe.Result) { r.Wire = "NetGear" }), "wire", health.OK, "NetGear"},
		"wrong wire":      {doctorCommand{wire: true}, with(plain, func(r *probe.Result) { r.Wire = "NetGear_Async" }), "wire", health.Fail, "set --wire NetGear_Async here"},
		"no answer to it": {doctorCommand{frame: true}, with(plain, func(r *probe.Result) { r.Asked = true }), "wire", health.Fail, "start it again"},
	} {
		var found health.Check
		for _, check := range c.d.diagnose(c.r) {
			if check.Name == c.line {
				found = check
			}
		}
		if found.Status != c.want || !strings.Contains(found.Detail+"\n"+found.Fix, c.text) {
			t.Errorf("%s: %+v, want %s with %q", name, found, c.want, c.text)
		}
	}
}

// doctor examines a live end, and its exit status shows whether it fits.
func TestDoctorExamines(t *testing.T) {
	t.Parallel()
	recv := start(t, "receive", "--address", "127.0.0.1", "--port", "0", "--pattern", "1")
	address := "127.0.0.1:" + recv.port()
	for _, c := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"--pattern", "1"}, 0, "socket REP"},
		{[]string{"--pattern", "2"}, 1, "set --pattern 1 here, or pattern 2 there"},
		{[]string{"--send-frame", "--pattern", "1"}, 0, "ok    wire                 NetGear\n"},
		{[]string{"--send-frame", "--wire", "async", "--json"}, 1, `"set --wire NetGear here"`},
		{[]string{"--secure-mode", "1", "--cert-location", t.TempDir()}, 1, ""},
	} {
		status, stdout, stderr := run(t, append([]string{"doctor", address}, c.args...)...)
		if status != c.status || !strings.Contains(stdout, c.want) {
			t.Errorf("%v: status %d, want %d with %q\n%s%s", c.args, status, c.status, c.want, stdout, stderr)
		}
	}
}

// certificate returns the files of a certificate for 127.0.0.1, which is its own
// authority, and a pool with it.
func certificate(t *testing.T) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &own.PublicKey, own)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certText := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	err = errors.Join(os.WriteFile(cert, certText, 0o600), os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(certText)
	return cert, key, pool
}

// view serves https, and asks for the token of the settings file.
func TestViewTLS(t *testing.T) {
	t.Parallel()
	cert, key, pool := certificate(t)
	file := filepath.Join(t.TempDir(), "view.toml")
	os.WriteFile(file, []byte("[view]\ntoken = \"open sesame\"\nlisten = \"127.0.0.1:0\"\nport = 0\naddress = \"127.0.0.1\"\n"), 0o600)
	view := start(t, "view", "--config", file, "--tls-cert", cert, "--tls-key", key)
	url := view.await(&view.stderr, `viewer (https://\S+)`)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}}
	for token, want := range map[string]int{"open sesame": 200, "wrong": 401} {
		r, _ := http.NewRequest("GET", url+"/api/streams", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: status %d, want %d", token, res.StatusCode, want)
		}
	}
	if strings.Contains(view.stderr.String(), "sesame") {
		t.Error("the token is printed")
	}
	empty := command("view", "--config", file)
	empty.Env = append(empty.Env, "NETGEAR_TOKEN=")
	if p := startCommand(t, empty); p.status() != 2 || !strings.Contains(p.stderr.String(), "NETGEAR_TOKEN is empty") {
		t.Errorf("an empty token: %s", &p.stderr)
	}
	if status, _, stderr := run(t, "view", "--config", file, "--tls-cert", key, "--tls-key", cert); status != 2 || !strings.Contains(stderr, "--tls-cert") {
		t.Errorf("files that are exchanged: status %d: %s", status, stderr)
	}
}
