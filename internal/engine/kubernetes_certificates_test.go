//go:build linux && engines

package engine

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// makeCertificates writes a certificate authority, ca.pem, and one certificate, node.pem with node.key, for every program of a cluster:
// it names the servers' addresses, and its group is that of administrators.
func makeCertificates(t testing.TB, dir string) {
	t.Helper()
	newKey := func() *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		return key
	}
	certificate := func(number int64, name, group string) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(number), Subject: pkix.Name{CommonName: name, Organization: []string{group}},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), BasicConstraintsValid: true,
		}
	}
	authority, authorityKey := certificate(1, "authority", "workshop"), newKey()
	authority.IsCA, authority.KeyUsage = true, x509.KeyUsageCertSign
	node, nodeKey := certificate(2, "node", "system:masters"), newKey()
	node.KeyUsage = x509.KeyUsageDigitalSignature
	node.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	node.IPAddresses = []net.IP{net.ParseIP("127.0.0.1"), net.ParseIP(nodeAddress)}

	write := func(name, kind string, content []byte, err error) {
		require.NoError(t, err)
		file(t, filepath.Join(dir, name), string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content})))
	}
	content, err := x509.CreateCertificate(rand.Reader, authority, authority, authorityKey.Public(), authorityKey)
	write("ca.pem", "CERTIFICATE", content, err)
	content, err = x509.CreateCertificate(rand.Reader, node, authority, nodeKey.Public(), authorityKey)
	write("node.pem", "CERTIFICATE", content, err)
	content, err = x509.MarshalECPrivateKey(nodeKey)
	write("node.key", "EC PRIVATE KEY", content, err)
}
