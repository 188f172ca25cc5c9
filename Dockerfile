# A static binary and the certificates of public authorities, nothing else: no
# shell, no package manager, no root. It needs no writable file.
#
#   docker build -t sluice --build-arg VERSION=$(git describe --tags --always --dirty) .
#   docker run --read-only -v ./sluice.yaml:/etc/sluice/sluice.yaml:ro sluice

ARG GO_VERSION=1.26
FROM --platform=$BUILDPLATFORM golang:${GO_VERSION}-bookworm AS build
WORKDIR /src
# The modules change seldom: they are a layer of their own.
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETOS
ARG TARGETARCH
# The build context has no history, so the version must be told.
ARG VERSION=
ARG COMMIT=
ARG DATE=
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -buildvcs=false \
    -ldflags "-s -w -X main.stampedVersion=$VERSION -X main.stampedCommit=$COMMIT -X main.stampedDate=$DATE" \
    -o /out/sluice ./cmd/sluice

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/sluice /usr/bin/sluice
# A number, so that a cluster can tell that it is not root.
USER 65532:65532
# The configuration is sluice.yaml in this folder, and so are the files that it names.
WORKDIR /etc/sluice
ENV PATH=/usr/bin
# Probes and metrics; the gateway, without TLS and with it.
EXPOSE 9090 8080 8443
# Joining the group takes as long as a killed member's session lasts.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["/usr/bin/sluice", "health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/sluice"]
CMD ["run"]
