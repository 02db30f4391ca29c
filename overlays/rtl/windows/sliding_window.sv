// Windows that slide over feature maps: a map comes once, word by word, and each word leaves as
// often as windows see it.
//
// A map is MAP_HEIGHT x MAP_WIDTH pixels, row by row; a pixel is GROUPS groups of WORDS words. For
// each window, row by row, come the words that it sees: group by group, in it row by row, in it
// pixel by pixel. Windows that reach over an edge see FILL there. The words that windows still need
// are kept in a ring of DEPTH words, which has to hold all that a window spans; from the end of a
// map on the next one takes its place. Latency: 5 cycles from the newest word that a beat waits for
// to the beat. A word a cycle each way.
`default_nettype none

module sliding_window #(
  parameter int               WIDTH         = 8,   // bits of a word, >= 1
  parameter logic [WIDTH-1:0] FILL          = '0,  // the word beyond the edges
  parameter int               MAP_HEIGHT    = 3,   // pixels, >= 1
  parameter int               MAP_WIDTH     = 3,   // pixels, >= 1
  parameter int               GROUPS        = 1,   // >= 1
  parameter int               WORDS         = 1,   // of a group in a pixel, >= 1
  parameter int               KERNEL_HEIGHT = 3,   // pixels of a window, >= 1
  parameter int               KERNEL_WIDTH  = 3,
  parameter int               STRIDE_Y      = 1,   // from a window to the next, >= 1
  parameter int               STRIDE_X      = 1,
  parameter int               DILATION_Y    = 1,   // from a pixel of a window to the next, >= 1
  parameter int               DILATION_X    = 1,
  parameter int               PAD_TOP       = 0,   // rows above the map that windows see, >= 0
  parameter int               PAD_LEFT      = 0,   // columns to its left, >= 0
  parameter int               OUT_HEIGHT    = 1,   // windows in a column, >= 1
  parameter int               OUT_WIDTH     = 1,   // windows in a row, >= 1
  parameter int               DEPTH         = 9    // words, >= 2
) (
  input  logic             aclk,
  input  logic             aresetn,
  input  logic [WIDTH-1:0] s_axis_tdata,
  input  logic             s_axis_tvalid,
  output logic             s_axis_tready,
  output logic [WIDTH-1:0] m_axis_tdata,
  output logic             m_axis_tvalid,
  input  logic             m_axis_tready
);
  localparam int PIXEL = GROUPS * WORDS;
  localparam int ROW = MAP_WIDTH * PIXEL;
  localparam int MAP = MAP_HEIGHT * ROW;

  // The nest of counters, from the inside: word, column and row of the window, group, window in its
  // row, row of windows, map. A step at a level is one on there, and back to the first inside.
  localparam int LEVELS = 7;
  localparam int WINDOW_STEP = 4;  // from this level on another window begins

  function automatic int times(input int level);
    case (level)
      0: times = WORDS;
      1: times = KERNEL_WIDTH;
      2: times = KERNEL_HEIGHT;
      3: times = GROUPS;
      4: times = OUT_WIDTH;
      default: times = OUT_HEIGHT;
    endcase
  endfunction

  // What a step at a level is on, in words, columns and rows, not counting what is gone back.
  function automatic int words_on(input int level);
    case (level)
      0: words_on = 1;
      1: words_on = DILATION_X * PIXEL;
      2: words_on = DILATION_Y * ROW;
      3: words_on = WORDS;
      4: words_on = STRIDE_X * PIXEL;
      5: words_on = STRIDE_Y * ROW;
      default: words_on = MAP;
    endcase
  endfunction

  function automatic int columns_on(input int level);
    columns_on = level == 1 ? DILATION_X : level == 4 ? STRIDE_X : 0;
  endfunction

  function automatic int rows_on(input int level);
    rows_on = level == 2 ? DILATION_Y : level == 5 ? STRIDE_Y : 0;
  endfunction

  function automatic int words_step(input int level, input int from);
    words_step = words_on(level);
    for (int i = from; i < level; i = i + 1) words_step = words_step - (times(i) - 1) * words_on(i);
  endfunction

  function automatic int columns_step(input int level);
    columns_step = columns_on(level);
    for (int i = 0; i < level; i = i + 1)
      columns_step = columns_step - (times(i) - 1) * columns_on(i);
  endfunction

  function automatic int rows_step(input int level);
    rows_step = rows_on(level);
    for (int i = 0; i < level; i = i + 1) rows_step = rows_step - (times(i) - 1) * rows_on(i);
  endfunction

  // Places are words behind the first of a map, below 0 above it and to its left.
  localparam int BEFORE = PAD_TOP * ROW + PAD_LEFT * PIXEL;
  localparam int SPAN = MAP + BEFORE + DEPTH + KERNEL_HEIGHT * DILATION_Y * ROW;
  localparam int PLACE_BITS = $clog2(SPAN) + 2;
  localparam int ADDRESS_BITS = $clog2(DEPTH);
  localparam int FIRST_ADDRESS = (DEPTH - BEFORE % DEPTH) % DEPTH;
  localparam int SIDE = MAP_HEIGHT + MAP_WIDTH + PAD_TOP + PAD_LEFT + KERNEL_HEIGHT * DILATION_Y
    + KERNEL_WIDTH * DILATION_X + STRIDE_X + STRIDE_Y;
  localparam int SIDE_BITS = $clog2(SIDE) + 2;
  localparam bit PADDED = PAD_TOP > 0 || PAD_LEFT > 0
    || (OUT_HEIGHT - 1) * STRIDE_Y + (KERNEL_HEIGHT - 1) * DILATION_Y - PAD_TOP >= MAP_HEIGHT
    || (OUT_WIDTH - 1) * STRIDE_X + (KERNEL_WIDTH - 1) * DILATION_X - PAD_LEFT >= MAP_WIDTH;
  localparam int CREDITS = 5;  // cycles from a read to the beat that it makes being taken, and one

  if (DEPTH < 2 || WORDS < 1 || GROUPS < 1 || OUT_HEIGHT < 1 || OUT_WIDTH < 1) begin : g_bad_size
    $error("DEPTH must be at least 2; GROUPS, WORDS, OUT_HEIGHT and OUT_WIDTH at least 1");
  end

  // Where the next word to read stands in the nest.
  logic [LEVELS-2:0] last;   // at this level it is the last
  logic [LEVELS-1:0] steps;  // the level at which the next step is
  logic read, window_ends;
  assign window_ends = |steps[LEVELS-1:WINDOW_STEP];
  for (genvar i = 0; i < LEVELS; i = i + 1) begin : g_level
    logic inner_last;
    if (i == 0) begin : g_inmost
      assign inner_last = 1'b1;
    end else begin : g_around
      assign inner_last = &last[i-1:0];
    end
    if (i == LEVELS - 1) begin : g_map
      assign steps[i] = inner_last;
    end else begin : g_nested
      assign steps[i] = inner_last && !last[i];
    end
    if (i < LEVELS - 1 && times(i) == 1) begin : g_once
      assign last[i] = 1'b1;
    end else if (i < LEVELS - 1) begin : g_counter
      localparam int BITS = $clog2(times(i));
      logic [BITS-1:0] count;
      always_ff @(posedge aclk) begin
        if (!aresetn) begin
          count <= '0;
          last[i] <= 1'b0;
        end else if (read && inner_last) begin
          count <= last[i] ? '0 : count + 1'b1;
          last[i] <= !last[i] && count == BITS'(times(i) - 2);
        end
      end
    end
  end

  logic signed [PLACE_BITS-1:0] step;
  logic [ADDRESS_BITS:0] address_step;  // the same, modulo DEPTH
  always_comb begin
    step = '0;
    address_step = '0;
    for (int i = 0; i < LEVELS; i = i + 1) begin
      if (steps[i]) begin
        step = step | PLACE_BITS'(words_step(i, 0));
        address_step = address_step
          | (ADDRESS_BITS + 1)'((words_step(i, 0) % DEPTH + DEPTH) % DEPTH);
      end
    end
  end

  // A word is read once it is there, if there is room for it behind; what lies beyond an edge, once
  // the first word of its map is there.
  logic push, some, outside, begun, credit, taken;
  logic signed [PLACE_BITS-1:0] ahead, next_ahead;  // words that came from the next one on
  logic [2:0] credits, next_credits;
  logic [ADDRESS_BITS-1:0] read_address, write_address;
  logic [ADDRESS_BITS:0] next_address;
  assign push = s_axis_tvalid && s_axis_tready;
  assign read = credit && (outside ? begun : some);
  assign next_ahead = ahead + PLACE_BITS'($signed({1'b0, push})) - (read ? step : '0);
  assign next_credits = credits + 3'(taken) - 3'(read);
  assign next_address = {1'b0, read_address} + address_step;
  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      ahead <= PLACE_BITS'(BEFORE);
      some <= BEFORE > 0;
      credits <= 3'(CREDITS);
      credit <= 1'b1;
      read_address <= ADDRESS_BITS'(FIRST_ADDRESS);
      write_address <= '0;
    end else begin
      ahead <= next_ahead;
      some <= next_ahead > 0;
      credits <= next_credits;
      credit <= next_credits != '0;
      if (read)
        read_address <= ADDRESS_BITS'(next_address >= (ADDRESS_BITS + 1)'(DEPTH)
          ? next_address - (ADDRESS_BITS + 1)'(DEPTH) : next_address);
      if (push)
        write_address <= write_address == ADDRESS_BITS'(DEPTH - 1) ? '0 : write_address + 1'b1;
    end
  end

  // Whether the next word lies beyond an edge.
  if (PADDED) begin : g_padded
    logic signed [SIDE_BITS-1:0] x, y, next_x, next_y;
    always_comb begin
      next_x = x;
      next_y = y;
      for (int i = 0; i < LEVELS; i = i + 1) begin
        if (steps[i]) begin
          next_x = x + SIDE_BITS'(columns_step(i));
          next_y = y + SIDE_BITS'(rows_step(i));
        end
      end
    end
    always_ff @(posedge aclk) begin
      if (!aresetn) begin
        x <= SIDE_BITS'(-PAD_LEFT);
        y <= SIDE_BITS'(-PAD_TOP);
        outside <= PAD_LEFT > 0 || PAD_TOP > 0;
      end else if (read) begin
        x <= next_x;
        y <= next_y;
        outside <= next_x < 0 || next_x >= SIDE_BITS'(MAP_WIDTH)
          || next_y < 0 || next_y >= SIDE_BITS'(MAP_HEIGHT);
      end
    end

    localparam int WRITTEN_BITS = MAP > 1 ? $clog2(MAP) : 1;
    localparam int MAPS_BITS = $clog2(DEPTH / MAP + 3);
    logic [WRITTEN_BITS-1:0] written;  // of the map that comes
    logic [MAPS_BITS-1:0] maps, next_maps;  // that have begun to come, and are not yet read
    assign next_maps = maps + MAPS_BITS'(push && written == '0)
      - MAPS_BITS'(read && steps[LEVELS-1]);
    always_ff @(posedge aclk) begin
      if (!aresetn) begin
        written <= '0;
        maps <= '0;
        begun <= 1'b0;
      end else begin
        if (push) written <= written == WRITTEN_BITS'(MAP - 1) ? '0 : written + 1'b1;
        maps <= next_maps;
        begun <= next_maps != '0;
      end
    end
  end else begin : g_inside
    assign outside = 1'b0;
    assign begun = 1'b0;
  end

  // What no window sees any more makes room: all before a window's first place, which may lie before
  // what is kept, by `owed` words, and with the last window all of the map.
  logic signed [PLACE_BITS-1:0] owed, left, window_step, used, next_used;
  logic [PLACE_BITS-1:0] freed;
  always_comb begin
    window_step = '0;
    for (int i = WINDOW_STEP; i < LEVELS; i = i + 1) begin
      if (steps[i])
        window_step = window_step
          | PLACE_BITS'(words_step(i, WINDOW_STEP) + (i == LEVELS - 1 ? BEFORE : 0));
    end
  end
  assign left = owed - window_step;
  assign next_used = used + PLACE_BITS'($signed({1'b0, push})) - $signed(freed);
  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      owed <= PLACE_BITS'(BEFORE);
      freed <= '0;
      used <= '0;
      s_axis_tready <= 1'b1;
    end else begin
      freed <= read && window_ends && left < 0 ? -left : '0;
      if (read && window_ends)
        owed <= steps[LEVELS-1] ? PLACE_BITS'(BEFORE) : left < 0 ? '0 : left;
      used <= next_used;
      s_axis_tready <= next_used < PLACE_BITS'(DEPTH);
    end
  end

  logic [WIDTH-1:0] word;
  logic [1:0] valid, beyond;
  ram #(
    .WIDTH(WIDTH),
    .DEPTH(DEPTH),
    .SLICE(WIDTH)
  ) ring (
    .aclk         (aclk),
    .write_slices (push),
    .write_address(write_address),
    .write_data   (s_axis_tdata),
    .read_enable  (1'b1),
    .read_address (read_address),
    .read_data    (word)
  );
  always_ff @(posedge aclk) begin
    if (!aresetn) valid <= '0;
    else valid <= {valid[0], read};
    beyond <= {beyond[0], outside};
  end

  logic unused_ready;  // there are credits for what comes
  assign taken = m_axis_tvalid && m_axis_tready;
  stream_fifo #(
    .WIDTH(WIDTH),
    .DEPTH(CREDITS - 1)
  ) leave (
    .aclk         (aclk),
    .aresetn      (aresetn),
    .s_axis_tdata (beyond[1] ? FILL : word),
    .s_axis_tvalid(valid[1]),
    .s_axis_tready(unused_ready),
    .m_axis_tdata (m_axis_tdata),
    .m_axis_tvalid(m_axis_tvalid),
    .m_axis_tready(m_axis_tready)
  );

  stable_beat #(
    .WIDTH(WIDTH)
  ) input_is_stable (
    .aclk   (aclk),
    .aresetn(aresetn),
    .valid  (s_axis_tvalid),
    .ready  (s_axis_tready),
    .payload(s_axis_tdata)
  );
endmodule

`default_nettype wire
