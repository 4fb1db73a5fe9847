# The program netgear without OpenCV, on Alpine.
#
# NOT RUN: written from the names of Alpine's packages. The library is tested
# with glibc alone.
#
#   docker build -f packaging/docker/alpine.Dockerfile -t netgear:alpine .

FROM golang:1.26-alpine AS build
RUN apk add --no-cache gcc musl-dev pkgconf zeromq-dev libjpeg-turbo-dev
WORKDIR /src
COPY . .
RUN go build -buildvcs=false -tags nogocv -ldflags '-s -w' -o /netgear ./cmd/netgear

FROM alpine
# By the libraries' file names, which no release of Alpine renames.
RUN apk add --no-cache ca-certificates so:libzmq.so.5 so:libturbojpeg.so.0 so:libjpeg.so.8
COPY --from=build /netgear /usr/local/bin/netgear
USER 65534:65534
ENTRYPOINT ["netgear"]
CMD ["--help"]
