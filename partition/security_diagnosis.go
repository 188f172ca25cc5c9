package partition

import (
	"errors"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"
)

// refusal is an error with its diagnosis.
type refusal struct {
	what, remedy string
	err          error
}

// refuse gives an error its diagnosis; err may be nil.
func refuse(err error, what, remedy string) error {
	return &refusal{what: what, remedy: remedy, err: err}
}

// Error is the cause's own text, or what is wrong when there is none.
func (r *refusal) Error() string {
	if r.err == nil {
		return r.what
	}
	return r.err.Error()
}

// Unwrap returns the cause.
func (r *refusal) Unwrap() error { return r.err }

// Diagnose says in plain words what stands between a client and its brokers,
// and what to do about it, when that is a matter of certificates, credentials
// or permissions: a fault that does not pass by itself. Both are empty for any
// other error, and for nil. Neither holds a secret.
func Diagnose(err error) (what, remedy string) {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r.what, r.remedy
	}
	for _, d := range diagnoses() {
		if errors.Is(err, d.code) {
			return d.what, d.remedy
		}
	}
	if _, ok := errors.AsType[*kgo.ErrFirstReadEOF](err); ok {
		return "the broker hangs up on a client that does not say who it is", "set kafka.sasl as the listener asks for it"
	}
	return "", ""
}

// Refused tells whether an error is that this user is not allowed to do
// something with a topic.
func Refused(err error) bool { return errors.Is(err, kerr.TopicAuthorizationFailed) }

// diagnosis is what an answer of a broker means.
type diagnosis struct {
	code         *kerr.Error
	what, remedy string
}

func diagnoses() []diagnosis {
	return []diagnosis{
		{
			kerr.SaslAuthenticationFailed, "Kafka refuses the credentials: the user is unknown or the password is wrong (brokers do not say which)",
			"check kafka.sasl.username and password, and that the user exists for this very mechanism",
		},
		{
			kerr.UnsupportedSaslMechanism, "the broker does not offer this SASL mechanism",
			"set kafka.sasl.mechanism to one of its sasl.enabled.mechanisms",
		},
		{kerr.IllegalSaslState, "the broker does not use SASL on this port", "use the port of its SASL listener, or remove kafka.sasl"},
		{
			kerr.TopicAuthorizationFailed, "this user may not do that with the topic",
			"have an ACL added: Describe to see it, Read to deliver from it, Write to append to it, Create and AlterConfigs to manage it",
		},
		{kerr.GroupAuthorizationFailed, "this user may not use the consumer group", "have an ACL added that allows Read on the group of kafka.group"},
		{
			kerr.ClusterAuthorizationFailed, "this user may not append to any topic, or not do that with the cluster",
			"have an ACL added: Write on the topics to append to, Create on the cluster to make topics",
		},
		{kerr.TransactionalIDAuthorizationFailed, "this user may not use the transactional id", "have an ACL added that allows Write on it"},
	}
}

// lament logs an error: with its diagnosis and as an error when it has one, for
// then somebody must act, else as a warning.
func lament(log *zap.Logger, message string, err error, fields ...zap.Field) {
	fields = append(fields, zap.Error(err))
	if what, remedy := Diagnose(err); what != "" {
		log.Error(message, append(fields, zap.String("what", what), zap.String("remedy", remedy))...)
		return
	}
	log.Warn(message, fields...)
}

// refusalEvery is how often the same refusal is logged.
const refusalEvery = 30 * time.Second

// watch is a hook of the client that logs why brokers refuse our connections:
// the client itself tries again in silence.
type watch struct {
	log *zap.Logger

	mu   sync.Mutex
	last map[string]time.Time // by what is wrong, guarded by mu
}

func newWatch(log *zap.Logger) *watch { return &watch{log: log, last: map[string]time.Time{}} }

// OnBrokerConnect implements kgo.HookBrokerConnect.
func (w *watch) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	what, _ := Diagnose(err)
	if what == "" {
		return
	}
	w.mu.Lock()
	now := time.Now()
	told := now.Sub(w.last[what]) < refusalEvery
	if !told {
		w.last[what] = now
	}
	w.mu.Unlock()
	if !told {
		lament(w.log, "Kafka refuses us; trying again", err)
	}
}
