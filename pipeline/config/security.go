package config

import (
	"strings"

	"go.yaml.in/yaml/v4"

	"sluice/partition"
)

func tlsKeys(c *partition.TLS) []key {
	return []key{
		{
			name: "enabled", meaning: "Whether brokers are reached over TLS: true once tls stands in the file, which `tls: true` does too.", example: "true",
			fallback: "true when tls is given", value: enabled(c),
		},
		{
			name: "ca", meaning: "Certificates in PEM form, mostly file:PATH, of the authorities that may sign the brokers'. Read anew for each connection, as cert and key are.",
			example: "file:ca.pem", fallback: "the system's", value: source(&c.CA),
		},
		{name: "cert", meaning: "Our own certificate in PEM form, for brokers that ask for one (mTLS).", example: "file:client.pem", value: source(&c.Cert)},
		{name: "key", meaning: "The unencrypted key of cert, in PEM form.", example: "file:client.key", value: source(&c.Key)},
		{
			name: "server_name", meaning: "The name in the brokers' certificates, when it is not the host that is dialled.", example: "kafka.example.com",
			fallback: "the broker's host", value: text(&c.ServerName),
		},
		{
			name: "insecure_skip_verify", meaning: "A written reason for not checking the brokers' certificates; yes is none. Every start warns of it.",
			example: "a rehearsal on a closed network", value: text(&c.InsecureSkipVerify),
		},
	}
}

func saslKeys(c *partition.SASL) []key {
	return []key{
		{
			name: "mechanism", meaning: "How the brokers are told who we are.", example: "SCRAM-SHA-512",
			options: mechanisms(), value: choice(&c.Mechanism, mechanisms()),
		},
		{name: "username", meaning: "The user of PLAIN and SCRAM.", example: "sluice", value: text(&c.Username)},
		{name: "password", meaning: "That user's password. As file:PATH it is read anew for each connection, as every secret here.", example: "file:/run/secrets/kafka-password", value: source(&c.Password)},
		{name: "token", meaning: "The bearer token of OAUTHBEARER, in a file that somebody keeps fresh.", example: "file:/run/secrets/kafka-token", value: source(&c.Token)},
		{name: "token_url", meaning: "Where OAUTHBEARER gets tokens by itself: an https URL of an OAuth 2.0 server (client credentials grant).", example: "https://auth.example.com/token", value: text(&c.TokenURL)},
		{name: "client_id", meaning: "Who asks the token_url.", example: "sluice", value: text(&c.ClientID)},
		{name: "client_secret", meaning: "What proves that to the token_url.", example: "${KAFKA_CLIENT_SECRET}", value: source(&c.ClientSecret)},
		{name: "scope", meaning: "What the token is asked for.", example: "kafka", fallback: "what the token server gives", value: text(&c.Scope)},
		{
			name: "allow_plaintext", meaning: "A written reason for sending credentials to brokers beyond this machine without TLS; yes is none. Every start warns of it.",
			example: "a closed network until the certificates are there", value: text(&c.AllowPlaintext),
		},
	}
}

func mechanisms() []string {
	return []string{partition.MechanismPlain, partition.MechanismScram256, partition.MechanismScram512, partition.MechanismOAuth}
}

// switched is a section that is in effect once it is given, and for which a
// bare true or false may stand.
func switched(on *bool, keys ...key) value {
	v := section(keys...)
	v.switched = true
	read := v.read
	v.read = func(d *decoder, n *yaml.Node, path string) bool {
		if resolve(n).Kind == yaml.ScalarNode {
			return boolean(on).read(d, n, path)
		}
		*on = true
		return read(d, n, path)
	}
	return v
}

// enabled is not shown where nothing of the section is: without it all is off.
func enabled(c *partition.TLS) value {
	v := boolean(&c.On)
	v.shown = func() any {
		given := c.CA.Given() || c.Cert.Given() || c.Key.Given() || c.ServerName != "" || c.InsecureSkipVerify != ""
		if !c.On && !given {
			return nil
		}
		return c.On
	}
	return v
}

// source is a secret, a certificate or a key that is read anew for each use
// when it stands in a file.
func source(dst *partition.Source) value {
	return value{
		kind:   kindText,
		secret: true,
		read: func(d *decoder, n *yaml.Node, path string) bool {
			text, ok := d.scalar(n, path)
			if !ok {
				return false
			}
			d.secrets = append(d.secrets, Secret(text))
			raw := resolve(n).Value
			file, named := strings.CutPrefix(raw, filePrefix)
			if !named {
				*dst = partition.Fixed(text)
				return true
			}
			file, _ = d.expand(file) // scalar has read it once already
			content := d.read
			*dst = partition.Read(raw, func() ([]byte, error) {
				text, err := fileText(content, file)
				return []byte(text), err
			})
			return true
		},
		shown: func() any { return unlessEmpty(dst.Reveal()) },
	}
}
