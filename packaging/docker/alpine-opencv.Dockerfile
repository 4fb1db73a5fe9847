# The program netgear with OpenCV, on Alpine.
#
# NOT RUN: written from the names of Alpine's packages. The library is tested
# with glibc alone. Alpine's OpenCV is newer than the one that the gocv of go.mod
# is made for; docs/deploy.md has what was tried with 4.10.
#
#   docker build -f packaging/docker/alpine-opencv.Dockerfile -t netgear-opencv:alpine .

FROM golang:1.26-alpine AS build
RUN apk add --no-cache g++ musl-dev pkgconf zeromq-dev libjpeg-turbo-dev opencv-dev
WORKDIR /src
COPY . .
RUN go build -buildvcs=false -ldflags '-s -w' -o /netgear ./cmd/netgear

FROM alpine
RUN apk add --no-cache ca-certificates so:libzmq.so.5 so:libturbojpeg.so.0 so:libjpeg.so.8 \
    libopencv_calib3d libopencv_core libopencv_dnn libopencv_features2d libopencv_highgui libopencv_imgcodecs \
    libopencv_imgproc libopencv_objdetect libopencv_photo libopencv_video libopencv_videoio
COPY --from=build /netgear /usr/local/bin/netgear
USER 65534:65534
ENTRYPOINT ["netgear"]
CMD ["--help"]
