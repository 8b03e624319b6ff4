package main

import (
	"bufio"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

const sessionTimeout = 6 * time.Second

// A member of a group that consumes in the background and remembers what happened to it. It is the
// handler that sarama calls.
type member struct {
	group sarama.ConsumerGroup
	mutex sync.Mutex
	owned map[int32]bool
	// How often a partition was given to it.
	given    map[int32]int
	messages []*sarama.ConsumerMessage
	// After this offset it commits; every offset where it is below 0.
	commitAt int64
}

func groupConfig() *sarama.Config {
	config := config()
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Group.Heartbeat.Interval = time.Second
	config.Consumer.Group.Session.Timeout = 45 * time.Second
	return config
}

func (r *Run) join(group, topic string, config *sarama.Config) *member {
	return r.joinAndCommit(group, topic, config, -1)
}

func (r *Run) joinAndCommit(group, topic string, config *sarama.Config, at int64) *member {
	m := &member{owned: make(map[int32]bool), given: make(map[int32]int), commitAt: at}
	m.group = must(sarama.NewConsumerGroup(r.addresses(), group, config))
	r.atEnd(m.group.Close)
	go func() {
		for err := range m.group.Errors() {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	go func() {
		// Consume returns at every rebalance; whoever wants to stay calls it again.
		for !errors.Is(m.group.Consume(r.ctx, []string{topic}, m), sarama.ErrClosedConsumerGroup) {
		}
	}()
	return m
}

func (m *member) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (m *member) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (m *member) ConsumeClaim(
	session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim,
) error {
	m.mutex.Lock()
	m.owned[claim.Partition()] = true
	m.given[claim.Partition()]++
	m.mutex.Unlock()
	for message := range claim.Messages() {
		m.mutex.Lock()
		m.messages = append(m.messages, message)
		m.mutex.Unlock()
		if m.commitAt < 0 || message.Offset <= m.commitAt {
			session.MarkMessage(message, "")
		}
		if message.Offset == m.commitAt {
			session.Commit()
		}
	}
	m.mutex.Lock()
	delete(m.owned, claim.Partition())
	m.mutex.Unlock()
	return nil
}

func (m *member) partitions() []int32 {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return slices.Sorted(maps.Keys(m.owned))
}

func (m *member) timesGiven() map[int32]int {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return maps.Clone(m.given)
}

func (m *member) received() []*sarama.ConsumerMessage {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return slices.Clone(m.messages)
}

// waitShared waits until the members own so many partitions each, and all of them together.
func (r *Run) waitShared(total int, counts []int, members ...*member) {
	r.waitUntil(fmt.Sprintf("%v partitions", counts), func() bool {
		var owned []int32
		var sizes []int
		for _, m := range members {
			parts := m.partitions()
			owned = append(owned, parts...)
			sizes = append(sizes, len(parts))
		}
		slices.Sort(owned)
		slices.Sort(sizes)
		return slices.Equal(sizes, counts) && len(slices.Compact(owned)) == total
	})
}

// waitReceived waits until every record came to one of the members.
func (r *Run) waitReceived(sent []*sarama.ProducerMessage, members ...*member) {
	where := make(map[string]int32)
	r.waitUntil("every record at a member", func() bool {
		for _, m := range members {
			for _, message := range m.received() {
				where[string(message.Key)] = message.Partition
			}
		}
		return !slices.ContainsFunc(sent, func(record *sarama.ProducerMessage) bool {
			partition, here := where[string(must(record.Key.Encode()))]
			return !here || partition != record.Partition
		})
	})
}

func groupOneMember(r *Run) {
	topic := r.topic("one-member", 3)
	sent := records(topic, 3, 0, 300)
	r.produce(sent)
	m := r.join(r.prefix+"-one-member", topic, groupConfig())
	r.waitShared(3, []int{3}, m)
	r.waitReceived(sent, m)
}

func groupJoinLeave(r *Run) {
	topic, group := r.topic("join-leave", 4), r.prefix+"-join-leave"
	first := r.join(group, topic, groupConfig())
	r.waitShared(4, []int{4}, first)
	second := r.join(group, topic, groupConfig())
	r.waitShared(4, []int{2, 2}, first, second)
	sent := records(topic, 4, 0, 80)
	r.produce(sent[:40])
	r.waitReceived(sent[:40], first, second)

	left := time.Now()
	check(second.group.Close())
	r.waitShared(4, []int{4}, first)
	// Far less than the session timeout.
	expect(time.Since(left) < 20*time.Second, "took over after %v", time.Since(left))
	r.produce(sent[40:])
	r.waitReceived(sent[40:], first)
}

// The member that dies is a process of its own: this program once more.
const memberProcess = "member-process"

func (r *Run) joinMortal() *member {
	config := groupConfig()
	config.Consumer.Group.Session.Timeout = sessionTimeout
	return r.join(r.prefix+"-member-death", r.prefix+"-member-death", config)
}

func runMemberProcess(r *Run) {
	m := r.joinMortal()
	r.waitUntil("partitions", func() bool { return len(m.partitions()) == 2 })
	fmt.Println("I have partitions")
	<-r.ctx.Done()
}

func groupMemberDeath(r *Run) {
	topic := r.topic("member-death", 4)
	survivor := r.joinMortal()
	r.waitShared(4, []int{4}, survivor)

	victim := exec.CommandContext(r.ctx, os.Args[0], r.bootstrap, r.prefix, memberProcess)
	victim.Stderr = os.Stderr
	output := must(victim.StdoutPipe())
	check(victim.Start())
	must(bufio.NewReader(output).ReadString('\n'))
	r.waitShared(2, []int{2}, survivor)

	check(victim.Process.Kill())
	died := time.Now()
	_ = victim.Wait()
	r.waitShared(4, []int{4}, survivor)
	// Its last heartbeat was up to 1 s before its death.
	after := time.Since(died)
	expect(after > sessionTimeout-2*time.Second, "declared dead after %v already", after)
	sent := records(topic, 4, 0, 40)
	r.produce(sent)
	r.waitReceived(sent, survivor)
}

func groupCooperative(r *Run) {
	topic, group := r.topic("cooperative", 4), r.prefix+"-cooperative"
	config := groupConfig()
	config.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{
		sarama.NewBalanceStrategyCooperativeSticky()}
	first := r.join(group, topic, config)
	r.waitShared(4, []int{4}, first)
	second := r.join(group, topic, config)
	r.waitShared(4, []int{2, 2}, first, second)

	// What it kept, it never gave away in between.
	for _, p := range first.partitions() {
		times := first.timesGiven()[p]
		expect(times == 1, "partition %d was given %d times", p, times)
	}
	sent := records(topic, 4, 0, 40)
	r.produce(sent)
	r.waitReceived(sent, first, second)
}

func groupStaticMember(r *Run) {
	topic, group := r.topic("static", 4), r.prefix+"-static"
	join := func(instance string) *member {
		config := groupConfig()
		config.Consumer.Group.InstanceId = instance
		return r.join(group, topic, config)
	}
	first, second := join("first"), join("second")
	r.waitShared(4, []int{2, 2}, first, second)
	given, before := first.timesGiven(), second.partitions()

	check(second.group.Close())
	second = join("second")
	r.waitUntil("its partitions again", func() bool {
		return slices.Equal(second.partitions(), before)
	})
	sent := records(topic, 4, 0, 40)
	r.produce(sent)
	r.waitReceived(sent, first, second)
	undisturbed := maps.Equal(first.timesGiven(), given)
	expect(undisturbed, "its restart moved partitions of the other one")
}

func groupSpareMember(r *Run) {
	topic, group := r.topic("spare", 2), r.prefix+"-spare"
	var members []*member
	for range 3 {
		members = append(members, r.join(group, topic, groupConfig()))
	}
	r.waitShared(2, []int{0, 1, 1}, members...)

	busy := slices.IndexFunc(members, func(m *member) bool { return len(m.partitions()) == 1 })
	check(members[busy].group.Close())
	members = slices.Delete(members, busy, busy+1)
	r.waitShared(2, []int{1, 1}, members...)
	sent := records(topic, 2, 0, 20)
	r.produce(sent)
	r.waitReceived(sent, members...)
}
