package gateway

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// vector is a signed request and what the official library says of it.
type vector struct {
	Name      string `json:"name"`
	Secret    string `json:"secret"`
	Timestamp string `json:"timestamp"`
	Body      string `json:"body"`
	Signature string `json:"signature"`
	Good      bool   `json:"official_result"`
}

func readVectors(root string) ([]vector, error) {
	text, err := os.ReadFile(filepath.Join(root, "pipeline", "gateway", "testdata", "webhook-vectors.json"))
	if err != nil {
		return nil, fmt.Errorf("read the signed requests: %w", err)
	}
	var all []vector
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("read the signed requests: %w", err)
	}
	return all, nil
}

// The webhooks of the check: one for each secret of the vectors, whose times
// are long past, and one as it is by default, in the middle of a rotation.
const (
	vectorSecret = "cio-test-signing-secret"
	otherSecret  = "x"
	newSecret    = "a-secret-that-is-coming"
)

func vectorWebhooks() []rig.Webhook {
	hook := func(name string, more map[string]string, secrets ...string) rig.Webhook {
		settings := map[string]string{"scheme": "customerio", "secrets": "[" + strings.Join(secrets, ", ") + "]"}
		maps.Copy(settings, more)
		return rig.Webhook{Name: name, Settings: settings}
	}
	anyTime := map[string]string{"window": "0s"}
	return []rig.Webhook{hook("past", anyTime, vectorSecret), hook("past-x", anyTime, otherSecret), hook("now", nil, newSecret, vectorSecret)}
}

// vectors has the gateway judge signatures whose verdict is known, and what
// becomes of good ones when a byte, the time or the secret is another.
func (g gateway) vectors(ctx context.Context, r *suite.Result) error {
	all, err := readVectors(g.rig.Root)
	if err != nil {
		return err
	}
	st, err := g.stage(ctx, "vectors", plan{webhooks: vectorWebhooks(), rate: 500})
	if err != nil {
		return err
	}
	member, err := st.run(ctx, "gateway,deliver")
	if err != nil {
		return err
	}
	v := &verdicts{st: st, client: rig.LoadClient(4), good: map[string]int{}}
	if err := v.listed(ctx, all); err != nil {
		return err
	}
	r.Equal("vectors", int64(len(all)), 16)
	r.Holds("judged", len(v.wrong) == 0, told(v.wrong, "as listed"), "as listed")
	if err := v.bytesChanged(ctx, r, all); err != nil {
		return err
	}
	if err := v.another(ctx, r); err != nil {
		return err
	}
	if _, err := st.settled(ctx, 20*time.Second); err != nil {
		return err
	}
	fault := v.arrived(st.backend.all())
	r.Holds("at the backend", fault == "", cmp.Or(fault, "the good ones, to the byte"), "to the byte, once")
	return st.end(member)
}

// verdicts sends webhooks and notes what the gateway says of them.
type verdicts struct {
	st     *stage
	client *http.Client
	good   map[string]int // bodies of those that were taken
	wrong  []string
}

// ask sends one and returns the status.
func (v *verdicts) ask(ctx context.Context, webhook, timestamp, signature, body string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, v.st.door.URL()+"/webhooks/"+webhook, strings.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("make a webhook: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-CIO-Timestamp", timestamp)
	if signature != "" {
		req.Header.Set("X-CIO-Signature", signature)
	}
	resp, err := v.client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("send a webhook: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusOK {
		v.good[body]++
	}
	return resp.StatusCode, nil
}

func (v *verdicts) listed(ctx context.Context, all []vector) error {
	for _, c := range all {
		webhook := "past"
		if c.Secret == otherSecret {
			webhook = "past-x"
		}
		want := http.StatusUnauthorized
		if c.Good {
			want = http.StatusOK
		}
		have, err := v.ask(ctx, webhook, c.Timestamp, c.Signature, c.Body)
		if err != nil {
			return err
		}
		if have != want {
			v.wrong = append(v.wrong, fmt.Sprintf("%s: %d, want %d", c.Name, have, want))
		}
	}
	return nil
}

// bytesChanged changes each byte of each good body, and of each signature.
func (v *verdicts) bytesChanged(ctx context.Context, r *suite.Result, all []vector) error {
	tried, refused := int64(0), int64(0)
	try := func(c vector, signature, body string) error {
		status, err := v.ask(ctx, "past", c.Timestamp, signature, body)
		tried++
		if status == http.StatusUnauthorized {
			refused++
		}
		return err
	}
	for _, c := range all {
		if !c.Good {
			continue
		}
		for i := range len(c.Body) {
			if err := try(c, c.Signature, changed(c.Body, i)); err != nil {
				return err
			}
		}
		for i := range len(c.Signature) {
			if err := try(c, changed(c.Signature, i), c.Body); err != nil {
				return err
			}
		}
	}
	r.AtLeast("with one byte changed", float64(tried), 500, "")
	r.Equal("of them refused by 401", refused, tried)
	return nil
}

func changed(text string, i int) string {
	b := []byte(text)
	b[i] ^= 1
	return string(b)
}

// another is what is signed well, for another time or by another secret.
func (v *verdicts) another(ctx context.Context, r *suite.Result) error {
	for i, c := range []struct {
		name, secret string
		off          time.Duration
		want         int64
	}{
		{"now", vectorSecret, 0, http.StatusOK},
		{"now, by the new secret", newSecret, 0, http.StatusOK},
		{"of four minutes ago", vectorSecret, -4 * time.Minute, http.StatusOK},
		{"of six minutes ago", vectorSecret, -6 * time.Minute, http.StatusUnauthorized},
		{"of six minutes ahead", vectorSecret, 6 * time.Minute, http.StatusUnauthorized},
		{"by a wrong secret", otherSecret, 0, http.StatusUnauthorized},
	} {
		body := fmt.Sprintf(`{"event_id":"01E4C4CT6YDC7Y5M7FE1GWWQ%02d","object_type":"email","metric":"sent","data":{}}`, i)
		at := strconv.FormatInt(time.Now().Add(c.off).Unix(), 10)
		have, err := v.ask(ctx, "now", at, sign(c.secret, at, body), body)
		if err != nil {
			return err
		}
		r.Equal(c.name, int64(have), c.want)
	}
	return nil
}

// sign is the signature of a reporting webhook.
func sign(secret, timestamp, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write([]byte("v0:" + timestamp + ":" + body)) // a hash takes all
	return hex.EncodeToString(mac.Sum(nil))
}

// arrived says what is not as it was sent, or nothing.
func (v *verdicts) arrived(hits []hit) string {
	have := map[string]int{}
	for _, h := range hits {
		have[h.body]++
	}
	for body, times := range v.good {
		if have[body] != times {
			return fmt.Sprintf("%.60q arrived %d times, was taken %d times", body, have[body], times)
		}
	}
	if len(have) != len(v.good) {
		return fmt.Sprintf("%d different bodies, %d were taken", len(have), len(v.good))
	}
	return ""
}
