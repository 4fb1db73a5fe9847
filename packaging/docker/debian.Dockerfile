# The program netgear without OpenCV, on Debian 12.
#
#   docker build -f packaging/docker/debian.Dockerfile -t netgear .
#   docker run --rm -p 5555:5555 -p 127.0.0.1:8080:8080 netgear view --listen :8080
#
# docs/deploy.md has ports, cameras and keys. Run by scripts/images.sh.

FROM golang:1.26-bookworm AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends pkg-config libzmq3-dev libturbojpeg0-dev libjpeg-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN go build -buildvcs=false -tags nogocv -ldflags '-s -w' -o /netgear ./cmd/netgear

FROM debian:12-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates libzmq5 libturbojpeg0 libjpeg62-turbo \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /netgear /usr/local/bin/netgear
# nobody: the ports are above 1024.
USER 65534:65534
ENTRYPOINT ["netgear"]
CMD ["--help"]
