package web

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/vidgear-go/netgear"
)

func TestOptions(t *testing.T) {
	for name, o := range map[string]Options{
		"no password":     {User: "ann"},
		"no user":         {Password: netgear.NewSecret("x")},
		"viewers":         {MaxViewers: -1},
		"streams":         {MaxStreams: -1},
		"quality":         {Quality: 101},
		"stall":           {StallAfter: -time.Second},
		"write time-out":  {WriteTimeout: -time.Second},
		"origins pattern": {Origins: []string{"["}},
	} {
		if v, err := New(o); !errors.Is(err, ErrOption) || v != nil {
			t.Errorf("%s: %v, %v", name, v, err)
		}
	}
}

func TestAccess(t *testing.T) {
	basic := Options{User: "ann", Password: netgear.NewSecret("pass:word")}
	token := Options{Token: netgear.NewSecret("t0ken")}
	both := Options{User: "ann", Password: netgear.NewSecret("p"), Token: netgear.NewSecret("t0ken")}
	for _, c := range []struct {
		name    string
		options Options
		path    string
		change  func(*http.Request)
		status  int
	}{
		{"open", Options{}, "/", nil, 200},
		{"open, POST", Options{}, "/", func(r *http.Request) { r.Method = "POST" }, 405},
		{"open, foreign name", Options{}, "/api/streams", host("attacker.example:80"), 421},
		{"open, listed name", Options{Hosts: []string{"Cam.example"}}, "/", host("cam.example:8080"), 200},
		{"open, localhost", Options{}, "/", host("localhost:8080"), 200},
		{"open, IPv6", Options{}, "/", host("[fe80::1%25eth0]:8080"), 200},
		{"open, no host", Options{}, "/", host(""), 200}, {"open, a port alone", Options{}, "/", host(":80"), 421},
		{"unknown path", Options{}, "/page/index.html", nil, 404},
		{"basic, nothing", basic, "/", nil, 401},
		{"basic, right", basic, "/", login("ann", "pass:word"), 200},
		{"basic, foreign name", basic, "/", func(r *http.Request) { host("cam.example")(r); login("ann", "pass:word")(r) }, 200},
		{"basic, wrong password", basic, "/", login("ann", "pass"), 401},
		{"basic, wrong user", basic, "/", login("bob", "pass:word"), 401},
		{"basic, empty", basic, "/", login("", ""), 401},
		{"basic, a token", basic, "/?token=", nil, 401},
		{"basic, a foreign cookie", basic, "/", cookie(""), 401},
		{"token, nothing", token, "/ws", nil, 401},
		{"token, header", token, "/", header("Authorization", "Bearer t0ken"), 200},
		{"token, wrong header", token, "/?token=t0ken", header("Authorization", "Bearer token"), 401},
		{"token, in the address", token, "/api/streams?token=t0ken", nil, 200},
		{"token, of the page", token, "/?token=t0ken&x=1", nil, 303},
		{"token, wrong", token, "/?token=t0ke", nil, 401},
		{"token, empty user", token, "/", login("", ""), 401},
		{"both, token", both, "/api/streams?token=t0ken", nil, 200},
		{"both, basic", both, "/", login("ann", "p"), 200},
		{"both, mixed", both, "/", login("ann", "t0ken"), 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, err := New(c.options)
			if err != nil {
				t.Fatal(err)
			}
			defer v.Close()
			r := httptest.NewRequest("GET", c.path, nil)
			r.Host = "127.0.0.1:8080"
			if c.change != nil {
				c.change(r)
			}
			w := httptest.NewRecorder()
			v.ServeHTTP(w, r)
			if w.Code != c.status {
				t.Errorf("status %d, not %d: %s", w.Code, c.status, w.Body)
			}
			if got := w.Header().Get("X-Content-Type-Options"); got != "nosniff" {
				t.Error("a response without the security headers")
			}
		})
	}
}

func host(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func cookie(value string) func(*http.Request) {
	return func(r *http.Request) { r.AddCookie(&http.Cookie{Name: cookieName(r), Value: value}) }
}

func login(user, password string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(user, password) }
}

// The cookie is for what cannot send the header again: WebSockets in some
// browsers, and pages opened with a token.
func TestSessionCookie(t *testing.T) {
	v, url := newViewer(t, Options{Token: netgear.NewSecret("t0ken")})
	first := get(t, url+"/api/streams?token=t0ken")
	cookies := first.Result().Cookies()
	if len(cookies) != 1 || !cookies[0].HttpOnly || cookies[0].SameSite != http.SameSiteStrictMode || strings.Contains(cookies[0].Value, "t0ken") {
		t.Fatalf("cookies %v", cookies)
	}
	h := http.Header{"Cookie": {cookies[0].Name + "=" + cookies[0].Value}}
	conn, _, err := websocket.Dial(t.Context(), url+"/ws", &websocket.DialOptions{HTTPHeader: h})
	if err != nil {
		t.Fatal(err)
	}
	conn.CloseNow()
	redirect := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/?token=t0ken&x=%0d%0a", nil)
	v.ServeHTTP(redirect, r)
	if got := redirect.Header().Get("Location"); got != "./?x=%0D%0A" {
		t.Errorf("redirected to %q", got)
	}
}

func TestOrigin(t *testing.T) {
	_, url := newViewer(t, Options{Origins: []string{"*.friend.example"}})
	for origin, want := range map[string]bool{
		"":                            true, // no browser
		url:                           true,
		"http://attacker.example":     false,
		"null":                        false,
		"https://cams.friend.example": true,
	} {
		h := http.Header{}
		if origin != "" {
			h.Set("Origin", origin)
		}
		conn, _, err := websocket.Dial(t.Context(), url+"/ws", &websocket.DialOptions{HTTPHeader: h})
		if (err == nil) != want {
			t.Errorf("origin %q: %v", origin, err)
		}
		if err == nil {
			conn.CloseNow()
		}
	}
}

func TestPageNeedsNothingElse(t *testing.T) {
	_, url := newViewer(t, Options{Title: `</title><script>alert(1)</script>`})
	page := get(t, url+"/")
	if strings.Contains(page.Body.String(), "<script>") {
		t.Error("the title is HTML")
	}
	if csp := page.Header().Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'; script-src 'self';") {
		t.Errorf("the policy is %q", csp)
	}
	for name, kind := range assets {
		w := get(t, url+"/"+name)
		if w.Code != 200 || w.Header().Get("Content-Type") != kind || w.Body.Len() == 0 {
			t.Errorf("%s: %d, %s, %d bytes", name, w.Code, w.Header(), w.Body.Len())
		}
		for _, text := range []string{w.Body.String(), page.Body.String()} {
			if strings.Contains(strings.ReplaceAll(text, "http://www.w3.org/2000/svg", ""), "://") {
				t.Errorf("%s or the page refers to another server", name)
			}
		}
	}
}
