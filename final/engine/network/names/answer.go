//go:build linux

package names

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// A query is a question that the server has read.
type query struct {
	header   dnsmessage.Header
	question dnsmessage.Question
	// edns says that the client understands EDNS. size is the longest answer that it takes. RFC 6891
	edns bool
	size int
	// message is the question as it came, to be forwarded to one of these resolvers.
	message   []byte
	resolvers []netip.AddrPort
}

// minSize is what every client takes. maxSize is what we take from a resolver.
const minSize, maxSize = 512, 4096

// ttl is how long a client may keep an answer, in seconds. The next container may get the address soon.
const ttl = 0

// answer returns the answer to a message, or nil to what deserves no answer. It returns the query instead if somebody else has to answer.
func (s *Server) answer(message []byte, from netip.Addr) (*query, []byte) {
	q, code := parse(message)
	if q == nil {
		return nil, nil
	}
	if code != dnsmessage.RCodeSuccess {
		return nil, q.reply(code, "", nil)
	}
	t, from := s.table.Load(), from.Unmap()
	name := strings.ToLower(strings.TrimSuffix(q.question.Name.String(), "."))
	if addresses, ours := t.Addresses[name]; ours {
		return nil, q.reply(dnsmessage.RCodeSuccess, "", q.wanted(addresses))
	}
	// Nobody else knows our addresses.
	if ip, ok := reverse(name); ok && t.contains(ip) {
		container, found := t.Names[ip]
		switch {
		case !found:
			return nil, q.reply(dnsmessage.RCodeNameError, "", nil)
		case q.question.Type == dnsmessage.TypePTR || q.question.Type == dnsmessage.TypeALL:
			return nil, q.reply(dnsmessage.RCodeSuccess, container, nil)
		}
		return nil, q.reply(dnsmessage.RCodeSuccess, "", nil)
	}
	if t.Internal {
		return nil, q.reply(dnsmessage.RCodeNameError, "", nil)
	}
	if q.resolvers = t.Resolvers[from]; len(q.resolvers) == 0 {
		q.resolvers = s.Resolvers()
	}
	q.message = message
	return q, nil
}

// parse reads a message. It returns nil if the message is no question at all, and otherwise what is wrong with the question.
func parse(message []byte) (*query, dnsmessage.RCode) {
	var p dnsmessage.Parser
	header, err := p.Start(message)
	if err != nil || header.Response {
		return nil, 0
	}
	q := &query{header: header, size: minSize}
	if header.OpCode != 0 {
		return q, dnsmessage.RCodeNotImplemented
	}
	if q.question, err = p.Question(); err != nil {
		return q, dnsmessage.RCodeFormatError
	}
	// Nobody has ever said what several questions in one message mean. RFC 9619
	if _, err := p.Question(); err != dnsmessage.ErrSectionDone {
		return q, dnsmessage.RCodeFormatError
	}
	if p.SkipAllAnswers() != nil || p.SkipAllAuthorities() != nil {
		return q, dnsmessage.RCodeFormatError
	}
	for {
		resource, err := p.AdditionalHeader()
		if err == dnsmessage.ErrSectionDone {
			break
		}
		if err != nil || p.SkipAdditional() != nil {
			return q, dnsmessage.RCodeFormatError
		}
		if resource.Type == dnsmessage.TypeOPT {
			q.edns, q.size = true, min(max(minSize, int(resource.Class)), maxSize)
		}
	}
	const ixfr = 251
	switch {
	case q.question.Type == dnsmessage.TypeAXFR || q.question.Type == ixfr:
		return q, dnsmessage.RCodeRefused
	case q.question.Class != dnsmessage.ClassINET:
		return q, dnsmessage.RCodeNotImplemented
	}
	return q, dnsmessage.RCodeSuccess
}

// wanted returns the addresses that the question is about, in random order: who takes the first one meets each container equally often.
func (q *query) wanted(addresses []netip.Addr) []netip.Addr {
	kind := q.question.Type
	all := slices.DeleteFunc(slices.Clone(addresses), func(ip netip.Addr) bool {
		return !(kind == dnsmessage.TypeALL || ip.Is4() && kind == dnsmessage.TypeA || ip.Is6() && kind == dnsmessage.TypeAAAA)
	})
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// maxAnswers is how many addresses fit into the shortest packet.
const maxAnswers = 14

// reply makes an answer with a name or with addresses. An answer without either says that the name has nothing of this kind.
func (q *query) reply(code dnsmessage.RCode, name string, addresses []netip.Addr) []byte {
	m := dnsmessage.Message{Header: dnsmessage.Header{
		ID: q.header.ID, Response: true, OpCode: q.header.OpCode, RCode: code, RecursionDesired: q.header.RecursionDesired, RecursionAvailable: true,
	}}
	// A message that we could not read may have no question.
	if q.question.Name.Length > 0 {
		m.Questions = []dnsmessage.Question{q.question}
	}
	header := dnsmessage.ResourceHeader{Name: q.question.Name, Class: dnsmessage.ClassINET, TTL: ttl}
	for _, ip := range addresses[:min(len(addresses), maxAnswers)] {
		var body dnsmessage.ResourceBody = &dnsmessage.AAAAResource{AAAA: ip.As16()}
		if ip.Is4() {
			body = &dnsmessage.AResource{A: ip.As4()}
		}
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: header, Body: body})
	}
	if target, err := dnsmessage.NewName(name + "."); err == nil && name != "" {
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.PTRResource{PTR: target}})
	}
	if q.edns {
		// SetEDNS0 cannot fail.
		var opt dnsmessage.ResourceHeader
		_ = opt.SetEDNS0(payload, code, false)
		m.Additionals = []dnsmessage.Resource{{Header: opt, Body: &dnsmessage.OPTResource{}}}
	}
	return pack(&m)
}

func pack(m *dnsmessage.Message) []byte {
	message, err := m.Pack()
	if err != nil {
		return nil
	}
	return message
}

// fit returns an answer that the client can take. If the answer is too long, the client has to ask again through a connection.
func (q *query) fit(reply []byte) []byte {
	if len(reply) <= q.size {
		return reply
	}
	return pack(&dnsmessage.Message{
		Header:    dnsmessage.Header{ID: q.header.ID, Response: true, Truncated: true, RecursionDesired: q.header.RecursionDesired, RecursionAvailable: true},
		Questions: []dnsmessage.Question{q.question},
	})
}
