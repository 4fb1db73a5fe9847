package source

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/vidgear-go/netgear/internal/avi"
	"github.com/vidgear-go/netgear/internal/loglimit"
)

// errNoStream is returned for a URL that serves no MJPEG.
var errNoStream = errors.New("it serves no MJPEG (multipart/x-mixed-replace)")

// The times of a stream. A camera that is started takes some seconds until it
// serves.
const (
	dialTimeout   = 5 * time.Second
	headerTimeout = 10 * time.Second
	idleTimeout   = 10 * time.Second // without a byte
	outage        = 2 * time.Minute  // the default of Settings.Outage
	firstPause    = 250 * time.Millisecond
	longestPause  = 10 * time.Second
)

// stream reads an MJPEG stream: an HTTP response of type
// multipart/x-mixed-replace, with a JPEG in each part. A connection that is
// lost is made again.
type stream struct {
	settings Settings
	client   *http.Client
	idle     time.Duration
	pause    time.Duration
	retryLog *loglimit.Limiter

	cancel context.CancelFunc // ends the response; nil if there is none
	timer  *time.Timer        // calls it when no bytes come
	body   io.ReadCloser
	parts  *multipart.Reader
	buf    bytes.Buffer
}

// openStream connects to a stream. It returns errNoStream if the URL serves
// something else.
func openStream(ctx context.Context, s Settings) (*stream, error) {
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSHandshakeTimeout:   dialTimeout,
		ResponseHeaderTimeout: headerTimeout,
		DisableKeepAlives:     true,
		DisableCompression:    true,
	}
	if s.Outage == 0 {
		s.Outage = outage
	}
	in := &stream{settings: s, client: &http.Client{Transport: transport}, idle: idleTimeout, pause: firstPause, retryLog: loglimit.Retries()}
	if err := in.connect(ctx); err != nil {
		in.close()
		return nil, fmt.Errorf("%s: %w (source \"test\" needs no network)", s.shown(), err)
	}
	return in, nil
}

// connect requests the stream and finds its first part.
func (s *stream) connect(ctx context.Context) error {
	s.disconnect()
	own, cancel := context.WithCancel(context.Background()) // a stream outlives the call
	s.cancel = cancel
	stop := context.AfterFunc(ctx, cancel)
	defer stop()
	s.timer = time.AfterFunc(s.idle+headerTimeout, cancel)
	request, err := http.NewRequestWithContext(own, http.MethodGet, s.settings.Name, nil)
	if err != nil {
		return errors.New("it is no URL") // err quotes it
	}
	response, err := s.client.Do(request)
	if err != nil {
		return fmt.Errorf("no server answers: %w", s.failed(ctx, err))
	}
	s.body = response.Body
	if err := checkResponse(response); err != nil {
		return err
	}
	in := bufio.NewReader(timed{s.body, s.timer, s.idle})
	delimiter, err := firstDelimiter(in)
	if err != nil {
		return s.failed(ctx, err)
	}
	s.parts = multipart.NewReader(io.MultiReader(strings.NewReader(delimiter), in), strings.TrimSpace(delimiter)[2:])
	return nil
}

// failed returns the cause of an error without the URL and its password.
func (s *stream) failed(ctx context.Context, err error) error {
	var named interface{ Unwrap() error }
	if errors.As(err, &named) && strings.Contains(err.Error(), "://") {
		err = named.Unwrap()
	}
	if errors.Is(err, context.Canceled) && ctx.Err() == nil {
		return fmt.Errorf("no bytes for %v", s.idle)
	}
	return s.settings.unnamed(err)
}

// checkResponse returns why a response is no stream of JPEGs.
func checkResponse(r *http.Response) error {
	if r.StatusCode == http.StatusUnauthorized && strings.HasPrefix(strings.ToLower(r.Header.Get("WWW-Authenticate")), "digest") {
		return fmt.Errorf("the server answers %s: it requires digest authentication, which is not supported; select basic authentication in the camera", r.Status)
	}
	if r.StatusCode != http.StatusOK {
		return fmt.Errorf("the server answers %s", r.Status)
	}
	// The parameters are not parsed: some servers write them wrong.
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if !strings.HasPrefix(strings.ToLower(strings.TrimSpace(kind)), "multipart/") {
		return fmt.Errorf("%w but %q", errNoStream, kind)
	}
	return nil
}

// timed is a reader that gives each read some time.
type timed struct {
	io.Reader
	timer *time.Timer
	idle  time.Duration
}

func (t timed) Read(b []byte) (int, error) {
	t.timer.Reset(t.idle)
	defer t.timer.Stop()
	return t.Reader.Read(b)
}

// firstDelimiter reads up to the line that begins the first part, and returns
// it with its end. It is the line that counts, not the header's "boundary":
// servers disagree on whether that has the leading dashes.
func firstDelimiter(in *bufio.Reader) (string, error) {
	const limit = 4096
	for read := 0; read < limit; {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return "", fmt.Errorf("the stream has no part: %w", err)
		}
		if text := strings.TrimSpace(string(line)); len(text) > 2 && len(text) < 200 && strings.HasPrefix(text, "--") {
			return text + string(line[len(bytes.TrimRight(line, "\r\n")):]), nil // multipart expects this end of line from then on
		}
		read += len(line)
	}
	return "", fmt.Errorf("the stream's first %d bytes have no line that begins with --", limit)
}

// next returns the next picture. It connects again, after pauses that grow,
// until there has been none for Settings.Outage.
func (s *stream) next(ctx context.Context) (Frame, error) {
	since := time.Now()
	// A server that sends bytes, but no picture, is as good as none.
	bounded, cancel := context.WithTimeout(ctx, s.settings.Outage)
	defer cancel()
	for pause := s.pause; ; pause = min(2*pause, longestPause) {
		f, err := s.part(bounded)
		if err == nil || ctx.Err() != nil {
			return f, cmp.Or(ctx.Err(), err)
		}
		s.disconnect()
		if time.Since(since)+pause > s.settings.Outage {
			//nolint:errorlint // an io.EOF of the camera is not the end of the stream
			return Frame{}, fmt.Errorf("%s: no picture for %v: %v", s.settings.shown(), time.Since(since).Round(time.Second), err)
		}
		s.retryLog.Log(s.settings.Logger, slog.LevelWarn, "a stream was lost, and is opened again", "source", s.settings.shown(), "cause", err, "pause", pause)
		select {
		case <-ctx.Done():
			return Frame{}, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// part reads the next JPEG. It connects if there is no connection.
func (s *stream) part(ctx context.Context) (Frame, error) {
	if s.parts == nil {
		if err := s.connect(ctx); err != nil {
			return Frame{}, err
		}
	}
	stop := context.AfterFunc(ctx, s.cancel)
	defer stop()
	for {
		part, err := s.parts.NextRawPart()
		if err != nil {
			return Frame{}, s.failed(ctx, err)
		}
		at := time.Now()
		if err := s.read(part); err != nil {
			return Frame{}, s.failed(ctx, err)
		}
		if s.buf.Len() > 0 {
			return Frame{JPEG: s.buf.Bytes(), At: at}, nil
		}
	}
}

// read reads a part. With a Content-Length it does not wait for the next part.
// The length counts only if a JPEG ends there, because some servers state a
// wrong one.
func (s *stream) read(part *multipart.Part) error {
	s.buf.Reset()
	length, err := strconv.ParseInt(strings.TrimSpace(part.Header.Get("Content-Length")), 10, 64)
	if err == nil && length > 0 && length <= maxPicture {
		if _, err := io.CopyN(&s.buf, part, length); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if avi.EndsJPEG(s.buf.Bytes()) {
			return nil
		}
	}
	if _, err := io.CopyN(&s.buf, part, maxPicture+1-int64(s.buf.Len())); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if s.buf.Len() > maxPicture {
		return fmt.Errorf("a part has more than %d bytes", maxPicture)
	}
	return nil
}

// disconnect ends the response.
func (s *stream) disconnect() {
	if s.cancel != nil {
		s.timer.Stop()
		s.cancel()
		s.cancel = nil
	}
	if s.body != nil {
		s.body.Close()
		s.body = nil
	}
	s.parts = nil
}

func (s *stream) close() {
	s.disconnect()
	s.client.CloseIdleConnections()
}
