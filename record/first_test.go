package record

import ("testing";"os";"time"
"github.com/vidgear-go/netgear"
"image"; "image/jpeg"; "bytes"; "image/color"
)

func TestFirst(t *testing.T) {
	os.Remove("/tmp/rec/a.mkv")
	r, err := Create(Options{Path: "/tmp/rec/a.mkv"})
	if err != nil { t.Fatal(err) }
	base := time.Now()
	for k := range 90 {
		img := image.NewRGBA(image.Rect(0,0,320,240))
		for x := range 320 { for y := range 240 { img.Set(x,y,color.RGBA{byte(k),byte(x),byte(y),255}) } }
		var b bytes.Buffer
		jpeg.Encode(&b, img, nil)
		f, err := netgear.NewJPEGFrame(b.Bytes(), map[string]any{"n": k, "t":"<b>"})
		if err != nil { t.Fatal(err) }
		f.ReceivedAt = base.Add(time.Duration(k)*time.Second/30)
		if err := r.Write("cam", f); err != nil { t.Fatal(err) }
		f.Close()
		for _, c := range []int{1,3} {
			sh := []int{240,320}
			if c==3 { sh = append(sh, 3)}
			f, err = netgear.NewFrame(netgear.Array{DType:"uint8", Shape: sh, Data: bytes.Repeat([]byte{byte(k),byte(k+1),byte(k+2)}, 320*240)[:320*240*c]}, nil)
			if err != nil { t.Fatal(err) }
			f.ReceivedAt = base.Add(time.Duration(k)*time.Second/30)
			r.Write([]string{"","gray","","bgr"}[c], f)
			f.Close()
		}
		f, err = netgear.NewFrame(netgear.Array{DType:"uint16", Shape: []int{240,320}, Data: make([]byte, 2*320*240)}, nil)
		f.ReceivedAt = base.Add(time.Duration(k)*time.Second/30)
		r.Write("depth", f)
		f.Close()
	}
	if err := r.Close(); err != nil { t.Fatal(err) }
	t.Logf("%+v", r.Stats())
}
