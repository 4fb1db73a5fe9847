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
RUN apk add --no-cache ca-certificates libzmq libturbojpeg libjpeg-turbo opencv
COPY --from=build /netgear /usr/local/bin/netgear
USER 65534:65534
ENTRYPOINT ["netgear"]
CMD ["--help"]
