// Package record writes received frames into Matroska files, and plays such
// files to a receive end. It neither decodes nor encodes pictures.
//
//	rec, err := record.Create(record.Options{Dir: "recordings", MaxFileDuration: time.Hour, DiskBudget: 50 << 30})
//	for frame, err := range recv.Frames(ctx) {
//		…
//		rec.Write("front door", frame) // never waits for the disk
//		frame.Close()
//	}
//	err = rec.Close()
//
//	player, err := record.Open("recordings/netgear-20261129T180000.000Z-0001.mkv")
//	err = player.Play(ctx, record.SendTo(send), record.Pace{Speed: 2, Loop: true})
//
// Any player shows the files: a JPEG is a frame of Motion JPEG, a raw BGR or
// gray picture an uncompressed frame. Messages and stamps are subtitles of JSON
// text. Arrays that no player can show are in a track that players skip. The
// guide has the format: docs/record.md.
package record
