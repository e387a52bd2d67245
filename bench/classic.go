package main

import (
	"errors"
	"flag"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// One large group of the classic protocol without a client library: a connection and a goroutine for
// each member, since a JoinGroup waits and answers come in the order of their requests.

func setupClassicMembers(flags *flag.FlagSet) func() error {
	c := commonFlags(flags)
	members := flags.Int("members", 1000, "how many members")
	rest := flags.Duration("rest", 10*time.Second, "how long to watch the group when it is stable")
	return single(c, func(b *Broker) (Result, error) { return b.ClassicMembers(*members, *rest) })
}

// classicGroup follows in which generation each member is.
type classicGroup struct {
	id, topic  string
	partitions int

	mu          sync.Mutex
	generations map[int32]int // members by generation
	at          time.Time     // of the last change
	changed     chan struct{}
}

// moves notes that a member has its assignment in a generation, in place of a former one; -1 is none.
func (g *classicGroup) moves(from, to int32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.generations[from]--; g.generations[from] == 0 {
		delete(g.generations, from)
	}
	if to >= 0 {
		g.generations[to]++
	}
	g.at = time.Now()
	select {
	case g.changed <- struct{}{}:
	default:
	}
}

// await waits until so many members are in one generation that comes after a former one, and nobody in
// another.
func (g *classicGroup) await(members int, former int32, failures chan error, timeout time.Duration) (time.Time, error) {
	deadline := time.After(timeout)
	for {
		g.mu.Lock()
		settled := len(g.generations) == 1
		for generation, count := range g.generations {
			settled = settled && generation > former && count == members
		}
		at := g.at
		g.mu.Unlock()
		if settled {
			return at, nil
		}
		select {
		case <-g.changed:
		case err := <-failures:
			return at, err
		case <-deadline:
			return at, fmt.Errorf("%d members are not in one generation after %s", members, timeout)
		}
	}
}

// classicMember is one member, its connection and its generation.
type classicMember struct {
	group      *classicGroup
	conn       *wireConn
	id         string
	generation int32
}

// join takes the member through JoinGroup and SyncGroup.
func (m *classicMember) join() error {
	r := kmsg.NewPtrJoinGroupRequest()
	r.Version, r.Group, r.SessionTimeoutMillis, r.RebalanceTimeoutMillis = 5, m.group.id, 45_000, 300_000
	r.ProtocolType = "consumer"
	subscription := kmsg.NewConsumerMemberMetadata()
	subscription.Topics = []string{m.group.topic}
	protocol := kmsg.NewJoinGroupRequestProtocol()
	protocol.Name, protocol.Metadata = "range", subscription.AppendTo(nil)
	r.Protocols = append(r.Protocols, protocol)
	joined := kmsg.NewPtrJoinGroupResponse()
	for {
		r.MemberID = m.id
		if err := m.conn.roundTrip(r, joined); err != nil {
			return err
		}
		err := kerr.ErrorForCode(joined.ErrorCode)
		if err == nil {
			break
		}
		if !errors.Is(err, kerr.MemberIDRequired) && !kerr.IsRetriable(err) {
			return err
		}
		m.id = joined.MemberID
	}
	m.id = joined.MemberID
	sync := kmsg.NewPtrSyncGroupRequest()
	sync.Version, sync.Group, sync.Generation, sync.MemberID = 3, m.group.id, joined.Generation, m.id
	if joined.LeaderID == m.id {
		for i, other := range joined.Members {
			one := kmsg.NewSyncGroupRequestGroupAssignment()
			one.MemberID, one.MemberAssignment = other.MemberID, m.group.assign(i, len(joined.Members))
			sync.GroupAssignment = append(sync.GroupAssignment, one)
		}
	}
	synced := kmsg.NewPtrSyncGroupResponse()
	if err := m.conn.roundTrip(sync, synced); err != nil {
		return err
	}
	switch err := kerr.ErrorForCode(synced.ErrorCode); {
	case errors.Is(err, kerr.RebalanceInProgress):
		return m.join()
	case err != nil:
		return err
	}
	m.group.moves(m.generation, joined.Generation)
	m.generation = joined.Generation
	return nil
}

// assign gives every so-manieth partition to the member of that number.
func (g *classicGroup) assign(number, members int) []byte {
	topic := kmsg.NewConsumerMemberAssignmentTopic()
	topic.Topic = g.topic
	for p := number; p < g.partitions; p += members {
		topic.Partitions = append(topic.Partitions, int32(p))
	}
	assignment := kmsg.NewConsumerMemberAssignment()
	assignment.Topics = append(assignment.Topics, topic)
	return assignment.AppendTo(nil)
}

// classicHeartbeat is the interval of clients by default.
const classicHeartbeat = 3 * time.Second

// stay joins, sends heartbeats, joins again when there is a rebalance, and leaves when it is told to.
func (m *classicMember) stay(leave chan struct{}) error {
	if err := m.join(); err != nil {
		return err
	}
	for {
		select {
		case <-leave:
			return m.leave()
		case <-time.After(classicHeartbeat):
		}
		r, answer := kmsg.NewPtrHeartbeatRequest(), kmsg.NewPtrHeartbeatResponse()
		r.Version, r.Group, r.Generation, r.MemberID = 3, m.group.id, m.generation, m.id
		if err := m.conn.roundTrip(r, answer); err != nil {
			return err
		}
		switch err := kerr.ErrorForCode(answer.ErrorCode); {
		case errors.Is(err, kerr.RebalanceInProgress):
			if err := m.join(); err != nil {
				return err
			}
		case err != nil:
			return err
		}
	}
}

func (m *classicMember) leave() error {
	r, answer := kmsg.NewPtrLeaveGroupRequest(), kmsg.NewPtrLeaveGroupResponse()
	r.Version, r.Group, r.MemberID = 2, m.group.id, m.id
	if err := m.conn.roundTrip(r, answer); err != nil {
		return err
	}
	m.group.moves(m.generation, -1)
	return kerr.ErrorForCode(answer.ErrorCode)
}

func classicCase(members int) string { return fmt.Sprintf("classic groups=1 members=%d", members) }

// ClassicMembers times one group from its first member's JoinGroup until all have an assignment of the
// same generation, watches it when it is stable, and times it again when one member leaves.
func (b *Broker) ClassicMembers(members int, rest time.Duration) (Result, error) {
	r := Result{Kind: "members", Case: classicCase(members)}
	const topic = "rig-classic-members"
	if err := b.CreateTopic(topic, 20, 1); err != nil {
		return r, err
	}
	defer b.DeleteTopic(topic)
	g := &classicGroup{id: fmt.Sprintf("rig-classic-members-%d", time.Now().UnixNano()), topic: topic, partitions: 20,
		generations: map[int32]int{-1: members}, changed: make(chan struct{}, 1)}
	failures := make(chan error, members)
	all := make([]*classicMember, members)
	for i := range all {
		conn, err := dial(b.Seeds[0])
		if err != nil {
			return r, err
		}
		defer conn.Close()
		all[i] = &classicMember{group: g, conn: conn, generation: -1}
	}
	if err := all[0].conn.awaitCoordinator(g.id); err != nil {
		return r, err
	}
	before := b.Usage()
	leave := make([]chan struct{}, members)
	for i, m := range all {
		leave[i] = make(chan struct{})
		go func() {
			if err := m.stay(leave[i]); err != nil {
				failures <- err // of a connection that is closed at the end, nobody reads it
			}
		}()
	}
	at, err := g.await(members, -1, failures, 3*time.Minute)
	if err != nil {
		return r, err
	}
	settled := b.Usage()
	r.Add("join_s", at.Sub(before.At).Seconds())
	r.Add("join_broker_cpu_s", (settled.CPU - before.CPU).Seconds())
	r.Add("join_rig_cpu_s", (settled.RigCPU - before.RigCPU).Seconds())
	time.Sleep(2 * time.Second)
	resting := b.Usage()
	time.Sleep(rest)
	rested := b.Usage()
	r.addAtRest(resting, rested)
	r.Add("rss_kb_per_member", (rested.RSS-before.RSS)/1e3/float64(members))
	left := time.Now()
	former := all[0].generation // nobody joins again before the member leaves
	close(leave[members-1])
	if at, err = g.await(members-1, former, failures, time.Minute); err != nil {
		return r, err
	}
	r.Add("leave_s", at.Sub(left).Seconds())
	return r, nil
}
