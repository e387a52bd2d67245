package main

import (
	"container/heap"
	"crypto/rand"
	"flag"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Members of KIP-848 groups without a client library, so that thousands of them cost little: many
// share a connection, which the protocol allows since a heartbeat is answered at once. Each obeys the
// interval that the broker tells, and tells at once, as the Java client does, that it follows a new
// assignment.

func setupMembers(flags *flag.FlagSet) func() error {
	c := commonFlags(flags)
	groups := flags.Int("groups", 1000, "how many groups")
	members := flags.Int("members", 10, "members of each")
	rest := flags.Duration("rest", 10*time.Second, "how long to watch the groups when they are stable")
	return single(c, func(b *Broker) (Result, error) { return b.Members(*groups, *members, *rest) })
}

// memberConnections is how many connections all members share.
const memberConnections = 16

// partition names a partition of any topic.
type partition struct {
	topic [16]byte
	index int32
}

// member is one member of a group; only the goroutine of its connection touches it.
type member struct {
	group  *memberGroup
	crew   *crew
	number int // in its group
	id     string
	epoch  int32
	owned  []partition
	told   bool // the broker knows what it owns
	leaves bool
	due    time.Time
}

// memberGroup follows who owns what in one group.
type memberGroup struct {
	id         string
	fleet      *fleet
	topic      string
	partitions int

	mu      sync.Mutex
	owners  map[partition]int
	owned   []int // how many partitions each member has; -1 once it has left
	settled bool
}

// fleet is all groups of one measurement.
type fleet struct {
	mu       sync.Mutex
	settled  int
	all      int
	at       time.Time // when the last one settled
	done     chan struct{}
	failures chan error
}

// change takes what a member had and has, and notes whether the group is settled now: each partition
// has one owner, and no member has more than one more than another.
func (g *memberGroup) change(number int, before, after []partition, gone bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range before {
		if g.owners[p]--; g.owners[p] == 0 {
			delete(g.owners, p)
		}
	}
	for _, p := range after {
		g.owners[p]++
	}
	g.owned[number] = len(after)
	if gone {
		g.owned[number] = -1
	}
	settled := len(g.owners) == g.partitions
	total, least, most := 0, g.partitions, 0
	for _, n := range g.owned {
		if n >= 0 {
			total, least, most = total+n, min(least, n), max(most, n)
		}
	}
	settled = settled && total == g.partitions && most-least <= 1
	if settled != g.settled {
		g.settled = settled
		g.fleet.count(settled)
	}
}

func (f *fleet) count(settled bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !settled {
		f.settled--
		return
	}
	f.settled++
	if f.settled == f.all {
		f.at = time.Now()
		select {
		case f.done <- struct{}{}:
		default:
		}
	}
}

// await waits until all groups are settled and returns when the last one was.
func (f *fleet) await(timeout time.Duration) (time.Time, error) {
	deadline := time.After(timeout)
	for {
		f.mu.Lock()
		settled, at := f.settled, f.at
		f.mu.Unlock()
		if settled == f.all {
			return at, nil
		}
		select {
		case <-f.done:
		case err := <-f.failures:
			return at, err
		case <-deadline:
			return at, fmt.Errorf("%d of %d groups are settled after %s", settled, f.all, timeout)
		}
	}
}

// dueMembers is a heap by the time of the next heartbeat.
type dueMembers []*member

func (d dueMembers) Len() int           { return len(d) }
func (d dueMembers) Less(i, j int) bool { return d[i].due.Before(d[j].due) }
func (d dueMembers) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }
func (d *dueMembers) Push(x any)        { *d = append(*d, x.(*member)) }
func (d *dueMembers) Pop() any {
	last := len(*d) - 1
	m := (*d)[last]
	*d = (*d)[:last]
	return m
}

// crew is the members that share a connection.
type crew struct {
	conn    *wireConn
	members dueMembers
	leave   chan *member
	stop    chan struct{}
}

// heartbeatsInFlight is how many heartbeats a crew sends before it reads their answers.
const heartbeatsInFlight = 64

func (c *crew) run() error {
	heap.Init(&c.members)
	for {
		wait := time.Hour
		if len(c.members) > 0 {
			wait = time.Until(c.members[0].due)
		}
		select {
		case <-c.stop:
			return nil
		case m := <-c.leave:
			m.leaves, m.due = true, time.Now()
			heap.Init(&c.members)
		case <-time.After(wait):
		}
		var asked []*member
		var frames []byte
		for len(c.members) > 0 && len(asked) < heartbeatsInFlight && time.Until(c.members[0].due) <= 0 {
			m := heap.Pop(&c.members).(*member)
			asked = append(asked, m)
			frames = append(frames, encode(m.heartbeat())...)
		}
		if _, err := c.conn.Write(frames); err != nil {
			return err
		}
		for _, m := range asked {
			stays, err := m.hear(c.conn)
			if err != nil {
				return err
			}
			if stays {
				heap.Push(&c.members, m)
			}
		}
	}
}

func (m *member) heartbeat() *kmsg.ConsumerGroupHeartbeatRequest {
	r := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	r.Version, r.Group, r.MemberID, r.MemberEpoch = 1, m.group.id, m.id, m.epoch
	if m.leaves {
		r.MemberEpoch = -1
		return r
	}
	if m.epoch == 0 {
		r.RebalanceTimeoutMillis, r.SubscribedTopicNames = 60_000, []string{m.group.topic}
	}
	if m.epoch == 0 || !m.told {
		r.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
		for _, p := range m.owned {
			last := len(r.Topics) - 1
			if last < 0 || r.Topics[last].TopicID != p.topic {
				t := kmsg.NewConsumerGroupHeartbeatRequestTopic()
				t.TopicID = p.topic
				r.Topics = append(r.Topics, t)
				last++
			}
			r.Topics[last].Partitions = append(r.Topics[last].Partitions, p.index)
		}
		m.told = true
	}
	return r
}

// hear takes the answer to a heartbeat; false when the member has left.
func (m *member) hear(conn *wireConn) (bool, error) {
	answer := kmsg.NewPtrConsumerGroupHeartbeatResponse()
	if err := conn.hear(1, answer); err != nil {
		return false, err
	}
	switch err := kerr.ErrorForCode(answer.ErrorCode); {
	case m.leaves && err == nil:
		m.group.change(m.number, m.owned, nil, true)
		return false, nil
	case kerr.IsRetriable(err):
		m.told = false
		m.due = time.Now().Add(100 * time.Millisecond)
		return true, nil
	case err != nil:
		return false, fmt.Errorf("member %s of %s: %w", m.id, m.group.id, err)
	}
	m.epoch = answer.MemberEpoch
	m.due = time.Now().Add(time.Duration(answer.HeartbeatIntervalMillis) * time.Millisecond)
	if answer.Assignment == nil {
		return true, nil
	}
	var assigned []partition
	for _, t := range answer.Assignment.Topics {
		for _, index := range t.Partitions {
			assigned = append(assigned, partition{t.TopicID, index})
		}
	}
	if !m.leaves && !slices.Equal(assigned, m.owned) {
		m.group.change(m.number, m.owned, assigned, false)
		m.owned, m.told, m.due = assigned, false, time.Now()
	}
	return true, nil
}

// uuid is a random member id.
func uuid() string {
	var b [16]byte
	rand.Read(b[:])
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// awaitCoordinator waits until the broker coordinates the group, which it can not before the internal
// topic is there.
func (c *wireConn) awaitCoordinator(group string) error {
	for deadline := time.Now().Add(time.Minute); ; {
		request, answer := kmsg.NewPtrFindCoordinatorRequest(), kmsg.NewPtrFindCoordinatorResponse()
		request.Version, request.CoordinatorKey = 2, group
		if err := c.roundTrip(request, answer); err != nil {
			return err
		}
		err := kerr.ErrorForCode(answer.ErrorCode)
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("coordinator of %s: %w", group, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func membersCase(groups, members int) string {
	return fmt.Sprintf("consumer groups=%d members=%d", groups, members)
}

// leavers is how many members leave, one after the other: the time until others have taken over is
// their mean, since much of it is chance.
const leavers = 4

// Members times groups from their first member's heartbeat until all are settled, watches them when
// they are stable, and times a group again when one member leaves it.
func (b *Broker) Members(groups, members int, rest time.Duration) (Result, error) {
	r := Result{Kind: "members", Case: membersCase(groups, members)}
	topic := fmt.Sprintf("rig-members-%d", members)
	partitions := max(members, 20)
	if err := b.CreateTopic(topic, partitions, 1); err != nil {
		return r, err
	}
	defer b.DeleteTopic(topic)
	f := &fleet{all: groups, done: make(chan struct{}, 1), failures: make(chan error, memberConnections)}
	crews := make([]*crew, memberConnections)
	for i := range crews {
		conn, err := dial(b.Seeds[0])
		if err != nil {
			return r, err
		}
		defer conn.Close()
		crews[i] = &crew{conn: conn, leave: make(chan *member, 1), stop: make(chan struct{})}
	}
	run := time.Now().UnixNano()
	var leaving []*member // the last ones of groups or, of one group, its last ones
	for g := range groups {
		group := &memberGroup{id: fmt.Sprintf("rig-members-%d-%d", run, g), fleet: f, topic: topic,
			partitions: partitions, owners: map[partition]int{}, owned: make([]int, members)}
		for i := range members {
			m := &member{group: group, number: i, id: uuid(), due: time.Now()}
			if i+1 == members || groups == 1 && i+leavers >= members {
				leaving = append(leaving, m)
			}
			m.crew = crews[(g*members+i)%len(crews)]
			m.crew.members = append(m.crew.members, m)
		}
	}
	if err := crews[0].conn.awaitCoordinator(leaving[0].group.id); err != nil {
		return r, err
	}
	before := b.Usage()
	var running sync.WaitGroup
	for _, c := range crews {
		running.Go(func() {
			if err := c.run(); err != nil {
				f.failures <- err
			}
		})
	}
	defer func() {
		for _, c := range crews {
			close(c.stop)
		}
		running.Wait()
	}()
	at, err := f.await(3 * time.Minute)
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
	r.Add("rss_kb_per_member", (rested.RSS-before.RSS)/1e3/float64(groups*members))
	var took time.Duration
	for _, m := range leaving[:min(leavers, len(leaving))] {
		left := time.Now()
		m.crew.leave <- m
		// The group counts as settled until the member has left.
		for f.isSettled() && time.Since(left) < time.Minute {
			time.Sleep(time.Millisecond)
		}
		if at, err = f.await(2 * time.Minute); err != nil {
			return r, err
		}
		took += at.Sub(left)
		time.Sleep(time.Second)
	}
	r.Add("leave_s", took.Seconds()/leavers)
	return r, nil
}

func (f *fleet) isSettled() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.settled == f.all
}
