# The program netgear with OpenCV, on Debian 12: video files, any camera,
# --size and --gray. For a window (receive --show) a screen must be shared as well.
#
#   docker build -f packaging/docker/debian-opencv.Dockerfile -t netgear-opencv .
#   docker run --rm --network host --device /dev/video0 --group-add video \
#       netgear-opencv send --source 0 --address 192.168.1.4
#
# docs/deploy.md has ports, cameras and keys. Run by scripts/images.sh.

FROM golang:1.26-bookworm AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends pkg-config libzmq3-dev libturbojpeg0-dev libjpeg-dev libopencv-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN go build -buildvcs=false -ldflags '-s -w' -o /netgear ./cmd/netgear

FROM debian:12-slim
# gocv links these modules of OpenCV 4.6.
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates libzmq5 libturbojpeg0 libjpeg62-turbo \
    libopencv-calib3d406 libopencv-core406 libopencv-dnn406 libopencv-features2d406 libopencv-highgui406 \
    libopencv-imgcodecs406 libopencv-imgproc406 libopencv-objdetect406 libopencv-photo406 libopencv-video406 \
    libopencv-videoio406 \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /netgear /usr/local/bin/netgear
USER 65534:65534
ENTRYPOINT ["netgear"]
CMD ["--help"]
