// Package authority makes a certificate authority and certificates for the
// brokers and clients of tests: on this machine only, and never for production.
package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// Authority signs certificates. It is safe for concurrent use.
type Authority struct {
	PEM  []byte // its own certificate
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Request says what certificate is wanted.
type Request struct {
	Name  string    // of the one who holds it
	Hosts []string  // names and addresses that a server has; none for a client
	Until time.Time // when it expires; zero for in ten years
}

// Leaf is a certificate and its unencrypted key, in PEM form.
type Leaf struct{ Cert, Key []byte }

const (
	lifetime = 10 * 365 * 24 * time.Hour
	// earlier keeps a certificate valid for clocks that are a little behind.
	earlier = time.Hour
)

// New makes an authority of that name.
func New(name string) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	template, err := template(name, time.Now().Add(lifetime))
	if err != nil {
		return nil, err
	}
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("sign the authority's certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read the authority's certificate: %w", err)
	}
	return &Authority{PEM: block("CERTIFICATE", der), cert: cert, key: key}, nil
}

// Issue makes a key and signs a certificate for it, for a server and for a
// client alike.
func (a *Authority) Issue(r Request) (Leaf, error) {
	until := r.Until
	if until.IsZero() {
		until = time.Now().Add(lifetime)
	}
	template, err := template(r.Name, until)
	if err != nil {
		return Leaf{}, err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	for _, host := range r.Hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Leaf{}, fmt.Errorf("make a key: %w", err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return Leaf{}, fmt.Errorf("sign the certificate of %s: %w", r.Name, err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Leaf{}, fmt.Errorf("write the key of %s: %w", r.Name, err)
	}
	return Leaf{Cert: block("CERTIFICATE", der), Key: block("PRIVATE KEY", private)}, nil
}

func template(name string, until time.Time) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("make a serial number: %w", err)
	}
	from := time.Now().Add(-earlier)
	if until.Before(from) {
		from = until.Add(-earlier)
	}
	return &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: until}, nil
}

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
