package partition

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	tokenTime = 10 * time.Second // bound on asking for a token
	maxToken  = 256 << 10        // bytes of an answer
)

// tokens gives bearer tokens: read from a source each time, or asked for and
// kept while they last. It is safe for concurrent use.
type tokens struct {
	sasl   SASL
	client *http.Client
	turn   chan struct{} // held while one is asked for, so that many connections ask once
	mu     sync.Mutex    // guards the two below
	token  string
	until  time.Time // when to ask for another
}

func newTokens(s SASL) *tokens {
	return &tokens{
		sasl: s, turn: make(chan struct{}, 1),
		client: &http.Client{
			Timeout:   tokenTime,
			Transport: &http.Transport{DisableKeepAlives: true},
			// A redirect would carry the client's secret elsewhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// get returns a token that is thought to be good.
func (t *tokens) get(ctx context.Context) (string, error) {
	if t.sasl.Token.Given() {
		text, err := t.sasl.Token.now("kafka.sasl.token")
		token := strings.TrimSpace(string(text))
		if err == nil && token == "" {
			err = refuse(nil, "kafka.sasl.token: is empty", "see that whatever writes the file does")
		}
		return token, err
	}
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if token := t.kept(); token != "" {
		return token, nil
	}
	token, lasts, err := t.ask(ctx)
	if err != nil {
		return "", err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	// A fifth of its life is left for what is done with it.
	t.token, t.until = token, time.Now().Add(lasts*4/5)
	return token, nil
}

func (t *tokens) kept() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Now().Before(t.until) {
		return t.token
	}
	return ""
}

// forget drops a token that a broker refused.
func (t *tokens) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.token, t.until = "", time.Time{}
}

// ask requests a token by the client credentials grant (RFC 6749, section 4.4).
func (t *tokens) ask(ctx context.Context) (token string, lasts time.Duration, err error) {
	secret, err := t.sasl.ClientSecret.now("kafka.sasl.client_secret")
	if err != nil {
		return "", 0, err
	}
	form := url.Values{"grant_type": {"client_credentials"}}
	if t.sasl.Scope != "" {
		form.Set("scope", t.sasl.Scope)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, t.sasl.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return "", 0, fmt.Errorf("ask for a token: %w", err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	// Section 2.3.1 has both encoded before they are joined.
	request.SetBasicAuth(url.QueryEscape(t.sasl.ClientID), url.QueryEscape(string(secret)))
	response, err := t.client.Do(request)
	if err != nil {
		return "", 0, refuse(err, "the token server at "+request.URL.Host+" does not answer", "check kafka.sasl.token_url, and that it can be reached from here")
	}
	defer func() { _ = response.Body.Close() }()
	return tokenOf(response)
}

// tokenOf reads what the token server said: a token and how long it lasts.
func tokenOf(response *http.Response) (string, time.Duration, error) {
	host := response.Request.URL.Host
	var said struct {
		Token   string `json:"access_token"`
		Seconds int64  `json:"expires_in"`
		Error   string `json:"error"`
	}
	err := json.NewDecoder(io.LimitReader(response.Body, maxToken)).Decode(&said)
	switch {
	case response.StatusCode == http.StatusBadRequest || response.StatusCode == http.StatusUnauthorized:
		return "", 0, refuse(fmt.Errorf("it answered %d %q", response.StatusCode, said.Error), "the token server at "+host+" refuses the client",
			"check kafka.sasl.client_id, client_secret and scope")
	case response.StatusCode != http.StatusOK:
		return "", 0, refuse(fmt.Errorf("it answered %d", response.StatusCode), "the token server at "+host+" gives no token", "check kafka.sasl.token_url")
	case err != nil || said.Token == "":
		return "", 0, refuse(errors.New("its answer holds no access_token"), "the token server at "+host+" gives no token", "check kafka.sasl.token_url")
	}
	const day = 24 * 60 * 60
	return said.Token, time.Duration(min(max(said.Seconds, 0), day)) * time.Second, nil
}

// expiry reads when a token ends, which it tells when it is a JWT. Nothing is
// verified: that is the broker's work.
func expiry(token string) (time.Time, bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return time.Time{}, false
	}
	var claims struct {
		Expires float64 `json:"exp"`
	}
	if json.Unmarshal(payload, &claims) != nil || claims.Expires <= 0 {
		return time.Time{}, false
	}
	return time.Unix(int64(claims.Expires), 0), true
}

func expired(at time.Time) bool { return time.Now().After(at) }

func stamp(at time.Time) string { return at.UTC().Format(time.RFC3339) }
