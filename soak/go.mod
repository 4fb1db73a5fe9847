module github.com/vidgear-go/netgear/soak

go 1.25.0

require (
	github.com/vidgear-go/netgear v0.0.0
	gocv.io/x/gocv v0.31.0
	golang.org/x/sys v0.45.0
)

require (
	github.com/pebbe/zmq4 v1.4.0 // indirect
	github.com/vmihailenco/msgpack/v5 v5.4.1 // indirect
	github.com/vmihailenco/tagparser/v2 v2.0.0 // indirect
	golang.org/x/crypto v0.52.0 // indirect
)

replace github.com/vidgear-go/netgear => ../
