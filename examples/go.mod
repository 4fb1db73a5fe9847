module github.com/vidgear-go/netgear/examples

go 1.25.0

require (
	github.com/schollz/progressbar/v3 v3.19.0
	github.com/vidgear-go/netgear v0.0.0
	github.com/vidgear-go/netgear/source v0.0.0
	gocv.io/x/gocv v0.31.0
	golang.org/x/sys v0.45.0
	golang.org/x/term v0.43.0
)

require (
	github.com/blackjack/webcam v0.6.1 // indirect
	github.com/mitchellh/colorstring v0.0.0-20190213212951-d06e56a500db // indirect
	github.com/pebbe/zmq4 v1.4.0 // indirect
	github.com/rivo/uniseg v0.4.7 // indirect
	github.com/vmihailenco/msgpack/v5 v5.4.1 // indirect
	github.com/vmihailenco/tagparser/v2 v2.0.0 // indirect
	golang.org/x/crypto v0.52.0 // indirect
)

replace (
	github.com/vidgear-go/netgear => ../
	github.com/vidgear-go/netgear/source => ../source
)
