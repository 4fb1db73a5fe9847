package main

import (
	"context"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/peertest"
)

// After a signal a relay closes its inputs first, and then sends what is queued:
// it answers no frame that it throws away. An output without a receiver delays
// nothing.
func TestRelayClosesInputsFirst(t *testing.T) {
	t.Parallel()
	const frames = 5
	release := make(chan struct{})
	slow, err := netgear.New(netgear.Options{ReceiveMode: true, Pattern: netgear.ReqRep, Address: "127.0.0.1", Port: "0", BidirectionalMode: true,
		Respond: func(context.Context, *netgear.Frame) (any, error) {
			<-release
			return nil, nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	port := regexp.MustCompile(`\d+$`).FindString(slow.Endpoints()[0])
	relay := start(t, "relay", "--input", "tcp://127.0.0.1:0?pattern=1&name=front", "--json",
		"--output", "tcp://127.0.0.1:"+port+"?pattern=1&name=slow", "--output", "tcp://127.0.0.1:"+peertest.FreePort(t)+"?name=gone")
	send, err := netgear.New(netgear.Options{Pattern: netgear.ReqRep, Address: "127.0.0.1", MaxRetries: -1, TerminateDelay: -1,
		Port: relay.await(&relay.stderr, `(?s)endpoint .*endpoint .*endpoint tcp://\S+:(\d+)\n`)})
	if err != nil {
		t.Fatal(err)
	}
	defer send.Close()
	ctx, cancel := context.WithTimeout(t.Context(), timeLimit)
	defer cancel()
	for range frames {
		if _, err := send.SendJPEG(ctx, jpegs(t, 1)[0], nil); err != nil {
			t.Fatal(err)
		}
	}
	relay.await(&relay.stdout, `"name":"slow","peers":1`)
	relay.signal(syscall.SIGTERM)
	peertest.Await(t, timeLimit, "the end of the input", func() bool { return send.Stats().Connected == 0 })
	close(release)
	relay.succeed()
	for _, want := range []string{`input front: 5 frames received, 0 dropped\n`, `output slow: 5 frames sent, 0 dropped, 0 lost\n`, `output gone: 0 frames sent, [45] dropped, [01] lost`} {
		if text := relay.stderr.String(); !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// What an output has published without a subscriber is not called sent.
func TestRelayWithoutSubscriber(t *testing.T) {
	t.Parallel()
	relay := start(t, "relay", "--input", "tcp://127.0.0.1:0?pattern=1&terminate=stop", "--output", "tcp://127.0.0.1:0?pattern=2&attach=bind&name=viewers")
	sendNumbers(t, relay.await(&relay.stderr, `(?s)endpoint .*endpoint tcp://\S+:(\d+)\n`), 1, 2, 3)
	relay.succeed()
	if want := "output viewers: 3 frames published, 0 dropped, 0 lost; no subscriber was connected\n"; !strings.Contains(relay.stderr.String(), want) {
		t.Errorf("no %q in\n%s", want, &relay.stderr)
	}
}
