module github.com/vidgear-go/netgear/cmd/netgear

go 1.25.0

require (
	github.com/pebbe/zmq4 v1.4.0
	github.com/pelletier/go-toml/v2 v2.4.3
	github.com/schollz/progressbar/v3 v3.19.0
	github.com/spf13/cobra v1.10.2
	github.com/spf13/pflag v1.0.10
	github.com/vidgear-go/netgear v0.0.0
	github.com/vidgear-go/netgear/record v0.0.0
	github.com/vidgear-go/netgear/source v0.0.0
	github.com/vidgear-go/netgear/web v0.0.0
	gocv.io/x/gocv v0.31.0
	golang.org/x/crypto v0.52.0
	golang.org/x/sys v0.45.0
	golang.org/x/term v0.43.0
)

require (
	github.com/at-wat/ebml-go v0.19.4 // indirect
	github.com/blackjack/webcam v0.6.1 // indirect
	github.com/coder/websocket v1.8.15 // indirect
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/mitchellh/colorstring v0.0.0-20190213212951-d06e56a500db // indirect
	github.com/rivo/uniseg v0.4.7 // indirect
	github.com/vmihailenco/msgpack/v5 v5.4.1 // indirect
	github.com/vmihailenco/tagparser/v2 v2.0.0 // indirect
)

replace (
	github.com/vidgear-go/netgear => ../..
	github.com/vidgear-go/netgear/record => ../../record
	github.com/vidgear-go/netgear/source => ../../source
	github.com/vidgear-go/netgear/web => ../../web
)
