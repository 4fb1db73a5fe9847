package record_test

import (
	"context"
	"log"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/record"
)

// Each camera of a receive end in multi-server mode gets tracks of its own: a
// frame's Port names its sender.
func Example() {
	recv, err := netgear.New(netgear.Options{
		ReceiveMode: true, Pattern: netgear.ReqRep, MultiserverMode: true, Ports: []string{"5566", "5567"},
		Decode: netgear.DecodeOnUse,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer recv.Close()
	rec, err := record.Create(record.Options{Dir: "recordings", MaxFileDuration: time.Hour, DiskBudget: 50 << 30})
	if err != nil {
		log.Fatal(err)
	}
	for frame, err := range recv.Frames(context.Background()) {
		if err != nil {
			log.Print(err)
			continue
		}
		if err := rec.Write("", frame); err != nil {
			log.Print(err)
		}
		frame.Close()
	}
	if err := rec.Close(); err != nil {
		log.Print(err)
	}
}

// A recording is played to a receive end at twice its pace, again and again.
func ExamplePlayer_Play() {
	send, err := netgear.New(netgear.Options{Address: "127.0.0.1"})
	if err != nil {
		log.Fatal(err)
	}
	defer send.Close()
	player, err := record.Open("recordings/netgear-20261129T180000.000Z-0001.mkv")
	if err != nil {
		log.Fatal(err)
	}
	defer player.Close()
	if err := player.Play(context.Background(), record.SendTo(send), record.Pace{Speed: 2, Loop: true}); err != nil {
		log.Print(err)
	}
}

// The frames of one track, without a pace.
func ExamplePlayer_Frames() {
	player, err := record.Open("film.mkv")
	if err != nil {
		log.Fatal(err)
	}
	defer player.Close()
	player.Seek(10 * time.Second)
	for frame, err := range player.Frames() {
		if err != nil {
			log.Fatal(err)
		}
		if frame.Track == "front door" {
			log.Println(frame.Time, len(frame.JPEG), frame.Message)
		}
	}
}
