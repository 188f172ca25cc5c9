package customerio

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"sluice/sink"
)

// Account is what the API says of the credentials. It is asked by GET
// /api/v1/accounts/region, which changes nothing and works on either region's
// host.
type Account struct {
	Region string // us or eu: where the account is
	Reply  sink.Reply
}

// The ways in which credentials do not do.
var (
	// ErrCredentials says that the API refuses site_id and api_key.
	ErrCredentials = errors.New("the API refuses site_id and api_key")
	// ErrNoAccount says that an answer came that tells nothing of an account.
	ErrNoAccount = errors.New("the answer tells nothing of an account")
)

// AskAccount asks which account the credentials belong to. When no answer
// came the error is the *sink.Error of the reply; no error holds a secret.
func AskAccount(ctx context.Context, cfg Config) (Account, error) {
	base, err := cfg.base()
	if err != nil {
		return Account{}, err
	}
	const (
		path = "/api/v1/accounts/region"
		most = 4 << 10
	)
	if base.Path += path; base.RawPath != "" {
		base.RawPath += path
	}
	auth := base64.StdEncoding.EncodeToString([]byte(cfg.SiteID + ":" + cfg.APIKey))
	reply, err := sink.Inquire(ctx, cfg.HTTP, sink.Inquiry{
		Method: http.MethodGet, URL: base, Bytes: most,
		Header: http.Header{"Authorization": {"Basic " + auth}, "User-Agent": {"sluice"}},
	})
	account := Account{Reply: reply}
	switch {
	case err != nil:
		return account, err
	case reply.Err != nil:
		return account, reply.Err
	case reply.Status == http.StatusUnauthorized, reply.Status == http.StatusForbidden:
		return account, fmt.Errorf("HTTP %d: %w", reply.Status, ErrCredentials)
	}
	var told struct {
		Region string `json:"region"`
	}
	if reply.Status != http.StatusOK || json.Unmarshal(reply.Body, &told) != nil || (told.Region != "us" && told.Region != "eu") {
		return account, fmt.Errorf("HTTP %d: %w", reply.Status, ErrNoAccount)
	}
	account.Region = told.Region
	return account, nil
}

// Host is where the API is asked, host and port as the URL has them; empty
// when the configuration is not valid.
func (c Config) Host() string {
	base, err := c.base()
	if err != nil {
		return ""
	}
	return base.Host
}
