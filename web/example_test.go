package web_test

import (
	"context"
	"errors"
	"log"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/web"
)

// A program that shows the senders of one receive end at http://127.0.0.1:8080/
// until it is interrupted, or its terminal is closed.
func Example() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()

	view, err := web.New(web.Options{Title: "Cameras"})
	if err != nil {
		log.Fatal(err)
	}
	defer view.Close()

	source := view.Source("gate")
	end, err := netgear.New(netgear.Options{
		ReceiveMode:     true,
		Latest:          true,                // old frames are of no use here
		Decode:          netgear.DecodeOnUse, // JPEGs are passed on without decoding
		TerminatePolicy: netgear.KeepWaiting, // the sender may come back
		OnEvent:         source.Event,        // shows at once that a sender has gone
	})
	if err != nil {
		log.Fatal(err)
	}
	defer end.Close()

	server := &http.Server{Addr: "127.0.0.1:8080", Handler: view, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
			log.Print(err)
			stop()
		}
	}()
	if err := source.Serve(ctx, end); err != nil {
		log.Print(err)
	}
	view.Close() // ends the viewers, for which Shutdown would wait
	server.Shutdown(context.Background())
}
