package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"hash/fnv"
	"net/http"
	"net/url"
	"strings"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/hostcheck"
)

// setHeaders sets the headers of every response. The page loads nothing from
// elsewhere, and runs no inline script. Other sites may show it in no frame.
func setHeaders(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; "+
		"img-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "SAMEORIGIN")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// access decides which requests are answered.
type access struct {
	user, password, token netgear.Secret
	session               string // the cookie's value; a new one for each Viewer
	names                 hostcheck.Names
}

func newAccess(o *Options, session string) access {
	return access{user: netgear.NewSecret(o.User), password: o.Password, token: o.Token, session: session, names: hostcheck.New(o.Hosts)}
}

// open reports whether no authentication is configured.
func (a *access) open() bool { return a.user.IsZero() && a.token.IsZero() }

// admit reports whether a request may be answered. Otherwise it has answered it
// with the reason.
func (a *access) admit(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "Only GET and HEAD are supported.", http.StatusMethodNotAllowed)
		return false
	}
	if a.open() {
		if r.TLS != nil || a.names.Own(r.Host) {
			return true
		}
		http.Error(w, fmt.Sprintf("This viewer is not reached by the name %q, unless it is listed in Options.Hosts (netgear view --host).", hostcheck.Name(r.Host)), http.StatusMisdirectedRequest)
		return false
	}
	query := r.URL.Query()
	switch {
	case same(cookieOf(r), a.session):
	case a.authenticated(r, query.Get("token")):
		http.SetCookie(w, &http.Cookie{
			Name: cookieName(r), Value: a.session, Path: "/",
			HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil,
		})
	default:
		a.refuse(w)
		return false
	}
	if query.Has("token") && strings.HasSuffix(r.URL.Path, "/") {
		// The token must not stay in the address that the browser shows.
		query.Del("token")
		target := url.URL{Path: "./", RawQuery: query.Encode()}
		w.Header().Set("Location", target.String())
		w.WriteHeader(http.StatusSeeOther)
		return false
	}
	return true
}

func (a *access) authenticated(r *http.Request, token string) bool {
	if user, password, ok := r.BasicAuth(); ok && !a.user.IsZero() {
		// Both are compared in any case, so that the time does not depend on which
		// one is wrong.
		return both(same(user, a.user.Reveal()), same(password, a.password.Reveal()))
	}
	if a.token.IsZero() {
		return false
	}
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		token = bearer
	}
	return same(token, a.token.Reveal())
}

func (a *access) refuse(w http.ResponseWriter) {
	if !a.user.IsZero() {
		w.Header().Add("WWW-Authenticate", `Basic realm="netgear", charset="UTF-8"`)
	} else {
		w.Header().Add("WWW-Authenticate", `Bearer realm="netgear"`)
	}
	text := "A user and a password are required."
	if a.user.IsZero() {
		text = "A token is required: open the address with ?token=TOKEN once."
	}
	http.Error(w, text, http.StatusUnauthorized)
}

// cookieName returns the session cookie's name. Cookies do not differ by port,
// so the name does: two Viewers on one machine have one each.
func cookieName(r *http.Request) string {
	h := fnv.New32a()
	h.Write([]byte(r.Host))
	return fmt.Sprintf("netgear-%08x", h.Sum32())
}

func cookieOf(r *http.Request) string {
	c, err := r.Cookie(cookieName(r))
	if err != nil {
		return ""
	}
	return c.Value
}

// same compares two texts in a time that does not depend on them.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

func both(a, b bool) bool { return a && b }
