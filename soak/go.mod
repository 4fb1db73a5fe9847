module github.com/vidgear-go/netgear/soak

go 1.26.0

require (
	github.com/chromedp/chromedp v0.23.1
	github.com/coder/websocket v1.8.15
	github.com/nats-io/nats-server/v2 v2.15.3
	github.com/vidgear-go/netgear v0.0.0
	github.com/vidgear-go/netgear/record v0.0.0
	github.com/vidgear-go/netgear/source v0.0.0
	github.com/vidgear-go/netgear/web v0.0.0
	gocv.io/x/gocv v0.31.0
	golang.org/x/sys v0.50.0
)

require (
	github.com/antithesishq/antithesis-sdk-go v0.9.0-default-no-op // indirect
	github.com/at-wat/ebml-go v0.19.4 // indirect
	github.com/chromedp/cdproto v0.160.1 // indirect
	github.com/go-json-experiment/json v0.0.0-20260213210345-44df1a37e875 // indirect
	github.com/google/go-tpm v0.9.8 // indirect
	github.com/klauspost/compress v1.20.4 // indirect
	github.com/minio/highwayhash v1.0.4 // indirect
	github.com/nats-io/jwt/v2 v2.8.3 // indirect
	github.com/nats-io/nkeys v0.4.17 // indirect
	github.com/nats-io/nuid v1.0.1 // indirect
	github.com/pebbe/zmq4 v1.4.0 // indirect
	github.com/vmihailenco/msgpack/v5 v5.4.1 // indirect
	github.com/vmihailenco/tagparser/v2 v2.0.0 // indirect
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/time v0.16.0 // indirect
)

replace (
	github.com/vidgear-go/netgear => ../
	github.com/vidgear-go/netgear/record => ../record
	github.com/vidgear-go/netgear/source => ../source
	github.com/vidgear-go/netgear/web => ../web
)
