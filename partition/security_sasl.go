package partition

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	saslplain "github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// mechanism returns how a client proves who it is; nil for not at all. What it
// needs is read for each connection, and again when a session is renewed.
func (s SASL) mechanism() sasl.Mechanism {
	password := func() (string, error) {
		text, err := s.Password.now("kafka.sasl.password")
		return string(text), err
	}
	scrammed := func(context.Context) (scram.Auth, error) {
		pass, err := password()
		return scram.Auth{User: s.Username, Pass: pass}, err
	}
	switch s.Mechanism {
	case MechanismPlain:
		return saslplain.Plain(func(context.Context) (saslplain.Auth, error) {
			pass, err := password()
			return saslplain.Auth{User: s.Username, Pass: pass}, err
		})
	case MechanismScram256:
		return scram.Sha256(scrammed)
	case MechanismScram512:
		return scram.Sha512(scrammed)
	case MechanismOAuth:
		return &bearer{tokens: newTokens(s)}
	}
	return nil
}

// bearer is OAUTHBEARER that says why a token was refused.
type bearer struct{ tokens *tokens }

// Name implements sasl.Mechanism.
func (*bearer) Name() string { return MechanismOAuth }

// Authenticate implements sasl.Mechanism.
func (b *bearer) Authenticate(ctx context.Context, host string) (sasl.Session, []byte, error) {
	token, err := b.tokens.get(ctx)
	if err != nil {
		return nil, nil, err
	}
	session, first, err := oauth.Auth{Token: token}.AsMechanism().Authenticate(ctx, host)
	if err != nil {
		return nil, nil, fmt.Errorf("begin OAUTHBEARER: %w", err)
	}
	return &bearerSession{Session: session, mechanism: b, token: token}, first, nil
}

type bearerSession struct {
	sasl.Session
	mechanism *bearer
	token     string
}

// Challenge implements sasl.Session. By RFC 7628 a broker that refuses a token
// answers with a JSON object, and with nothing when it takes it.
func (s *bearerSession) Challenge(answer []byte) (bool, []byte, error) {
	if len(answer) == 0 {
		return s.Session.Challenge(answer)
	}
	s.mechanism.tokens.forget()
	var said struct {
		Status string `json:"status"`
		Scope  string `json:"scope"`
	}
	if err := json.Unmarshal(answer, &said); err != nil {
		return false, nil, fmt.Errorf("read the broker's answer to the token: %w", err)
	}
	reason := fmt.Errorf("the broker answered %q", said.Status)
	if at, ok := expiry(s.token); ok && expired(at) {
		return false, nil, refuse(reason, "Kafka refuses the token, which expired on "+stamp(at), "renew it: a new one is used without a restart")
	}
	if said.Scope != "" {
		return false, nil, refuse(reason, fmt.Sprintf("Kafka refuses the token: it wants the scope %q", said.Scope), "set kafka.sasl.scope, or have the token made for it")
	}
	return false, nil, refuse(reason, "Kafka refuses the token", "see that its issuer, audience and claims are those that the broker expects")
}
