// Turns a frame of scores into shares of 255, as models/softmax.py says: four passes over the
// classes, each at work on another frame, and what one finds out for the next.
//
//   1  the largest score
//   2  e of each score, and their sum
//   3  e times the reciprocal of the sum, and what is left of 255
//   4  the shares, and to one of them what is left
//
// Latency: 2 * classes + 14 cycles from a frame's last score to its first share. A score and a share
// a cycle; all of it waits while a share does.
`default_nettype none

module softmax_unit #(
  parameter MAX_CLASSES = 16,  // 2 to 64
  parameter SCORE_BITS  = 16,  // of a score in two's complement, 2 to 33
  parameter PLAIN       = 0    // 0 the reduced form, 1 the plain one
) (
  input  wire                         aclk,
  input  wire                         aresetn,
  // Steady from a frame's first score to its last share.
  input  wire        [6:0]            classes,     // 1 to MAX_CLASSES
  input  wire        [8:0]            multiplier,  // 256 to 511
  input  wire        [5:0]            shift,
  input  wire signed [SCORE_BITS-1:0] s_axis_tdata,
  input  wire                         s_axis_tvalid,
  output wire                         s_axis_tready,
  output wire        [7:0]            m_axis_tdata,
  output wire                         m_axis_tvalid,
  input  wire                         m_axis_tready
);
  // A frame is read two or three cycles after its last write, while the next is written.
  localparam PLACE_BITS = $clog2(MAX_CLASSES + 2);
  localparam PLACES = 1 << PLACE_BITS;
  localparam CLASS_BITS = $clog2(MAX_CLASSES);
  localparam E_BITS = PLAIN ? 14 : 9;
  localparam POINT_BITS = PLAIN ? 14 : 8;
  localparam LOW_BITS = 2 * (E_BITS / 4);
  localparam HIGH_BITS = 2 * ((E_BITS - LOW_BITS + 1) / 2);
  localparam SUM_BITS = E_BITS + CLASS_BITS;
  localparam POINTS = 12;
  localparam SCALED_BITS = SCORE_BITS + 1 + POINTS;

  generate
    if (MAX_CLASSES < 2 || MAX_CLASSES > 64) begin : g_bad_classes
      $error("MAX_CLASSES must be 2 to 64");
    end
    if (SCORE_BITS < 2 || SCORE_BITS > 33) begin : g_bad_score
      $error("SCORE_BITS must be 2 to 33");
    end
  endgenerate

  wire advance = !m_axis_tvalid || m_axis_tready;
  assign s_axis_tready = advance;

  wire [CLASS_BITS-1:0] last_class = CLASS_BITS'(classes - 7'd1);

  // Pass 1.
  wire take = s_axis_tvalid && advance;
  reg [CLASS_BITS-1:0] index1;
  wire last1 = index1 == last_class;
  reg [PLACE_BITS-1:0] place1;
  reg signed [SCORE_BITS-1:0] scores[0:PLACES-1];
  reg signed [SCORE_BITS-1:0] best, largest;
  reg [CLASS_BITS-1:0] best_index, largest_index;
  reg ends1;

  always @(posedge aclk) begin
    if (take) scores[place1] <= s_axis_tdata;
    if (take && (index1 == 0 || s_axis_tdata > best)) begin
      best <= s_axis_tdata;
      best_index <= index1;
    end
    if (advance && ends1) begin
      largest <= best;
      largest_index <= best_index;
    end
    if (!aresetn) begin
      index1 <= 0;
      place1 <= 0;
      ends1 <= 0;
    end else begin
      if (take) index1 <= last1 ? 0 : index1 + 1'b1;
      if (take) place1 <= place1 + 1'b1;
      if (advance) ends1 <= take && last1;
    end
  end

  // Pass 2: distance, shift, multiply, look up, shift.
  reg active2;
  reg [CLASS_BITS-1:0] index2;
  wire last2 = index2 == last_class;
  reg [PLACE_BITS-1:0] place2;
  wire signed [SCORE_BITS-1:0] score = scores[place2];
  reg signed [SCORE_BITS:0] distance;
  reg signed [13:0] scaled;
  reg signed [13:0] y;
  reg [POINT_BITS-1:0] point_y;
  reg [E_BITS-1:0] e;
  reg [4:0] octaves;
  reg [4:0] valid2, lasts2, wins2;  // of the five steps, the last highest
  reg [E_BITS-1:0] best_e;

  wire signed [SCORE_BITS:0] difference;
  wire [7:0] place_y;
  wire [E_BITS-1:0] next_e;
  wire better;  // the share of this class is the largest so far
  generate
    if (PLAIN != 0) begin : g_plain
      wire outside = y[13:7] != {7{y[13]}};
      assign difference = (SCORE_BITS+1)'(score);
      assign place_y = outside ? {y[13], {7{!y[13]}}} : y[7:0];
      assign next_e = point_y;
      assign better = e > best_e;
      wire unused = &{1'b0, largest, largest_index, octaves, wins2};
    end else begin : g_reduced
      assign difference = (SCORE_BITS+1)'(largest) - (SCORE_BITS+1)'(score);
      assign place_y = y[7:0];
      assign next_e = ({1'b0, point_y} + 1'b1) >> octaves;
      assign better = wins2[4];
      wire unused = &{1'b0, y[13], best_e};
    end
  endgenerate

  wire signed [SCALED_BITS-1:0] shifted = $signed({distance, {POINTS{1'b0}}}) >>> shift;
  wire fits = shifted[SCALED_BITS-1:13] == {(SCALED_BITS-13){shifted[SCALED_BITS-1]}};

  // Products are sums of shifted rows, each as wide as it need be: none takes a DSP. The sign of a
  // score counts -2^13.
  reg [21:0] magnitude;
  integer j;
  always @* begin
    magnitude = 0;
    for (j = 0; j < 9; j = j + 1) begin
      magnitude[j+:14] = {1'b0, magnitude[j+:13]} + {1'b0, multiplier[j] ? scaled[12:0] : 13'd0};
    end
  end
  wire [8:0] sign_part = scaled[13] ? multiplier : 9'd0;
  wire [13:0] scaled_y = {1'b0, magnitude[21:9]} - {1'b0, sign_part, 4'd0};

  wire [POINT_BITS-1:0] point;
  softmax_curve_rom #(
    .PLAIN(PLAIN)
  ) curve (
    .address(place_y),
    .data(point)
  );

  always @(posedge aclk) begin
    if (advance) begin
      index2 <= ends1 || last2 ? 0 : index2 + 1'b1;
      distance <= difference;
      scaled <= fits ? shifted[13:0] : {shifted[SCALED_BITS-1], {13{!shifted[SCALED_BITS-1]}}};
      y <= scaled_y;
      point_y <= point;
      octaves <= y[12:8];
      e <= next_e;
      lasts2 <= {lasts2[3:0], last2};
      wins2 <= {wins2[3:0], index2 == largest_index};
    end
    if (!aresetn) begin
      active2 <= 0;
      place2 <= 0;
      valid2 <= 0;
    end else if (advance) begin
      active2 <= ends1 || (active2 && !last2);
      if (active2) place2 <= place2 + 1'b1;
      valid2 <= {valid2[3:0], active2};
    end
  end

  // The sum, the class that takes the rest, and the sum's reciprocal.
  reg [CLASS_BITS-1:0] index_e, winner, winner_found, winner3;
  reg [PLACE_BITS-1:0] place_e;
  reg [E_BITS-1:0] powers[0:PLACES-1];
  reg [SUM_BITS-1:0] sum;
  reg ends2, found;
  reg [3:0] octave_found, octave3;  // of the sum, above 256
  reg [5:0] fraction;
  reg [15:0] reciprocal;
  reg [17:0] thrice;

  reg [3:0] sum_octave;
  reg [5:0] sum_fraction;
  integer k;
  always @* begin
    sum_octave = 0;
    sum_fraction = sum[7:2];
    for (k = 9; k < SUM_BITS; k = k + 1) begin
      if (sum[k]) begin
        sum_octave = 4'(k - 8);
        sum_fraction = sum[k-1-:6];
      end
    end
  end

  wire [15:0] looked_up;
  softmax_reciprocal_rom reciprocals (
    .address(fraction),
    .data(looked_up)
  );

  wire first_e = index_e == 0;
  always @(posedge aclk) begin
    if (advance && valid2[4]) begin
      powers[place_e] <= e;
      sum <= first_e ? SUM_BITS'(e) : sum + SUM_BITS'(e);
      if (first_e || better) begin
        best_e <= e;
        winner <= index_e;
      end
    end
    if (advance && ends2) begin
      octave_found <= sum_octave;
      fraction <= sum_fraction;
      winner_found <= winner;
    end
    if (advance && found) begin
      octave3 <= octave_found;
      reciprocal <= looked_up;
      thrice <= {2'b0, looked_up} + {1'b0, looked_up, 1'b0};
      winner3 <= winner_found;
    end
    if (!aresetn) begin
      index_e <= 0;
      place_e <= 0;
      ends2 <= 0;
      found <= 0;
    end else if (advance) begin
      if (valid2[4]) index_e <= lasts2[4] ? 0 : index_e + 1'b1;
      if (valid2[4]) place_e <= place_e + 1'b1;
      ends2 <= valid2[4] && lasts2[4];
      found <= ends2;
    end
  end

  // Pass 3: multiply, in two parts, shift, and sum up.
  reg active3;
  reg [CLASS_BITS-1:0] index3;
  wire last3 = index3 == last_class;
  reg [PLACE_BITS-1:0] place3, place_share;
  wire [LOW_BITS+HIGH_BITS-1:0] power = (LOW_BITS+HIGH_BITS)'(powers[place3]);
  reg [LOW_BITS+15:0] low_part;
  reg [HIGH_BITS+15:0] high_part;
  reg [HIGH_BITS+LOW_BITS-1:0] product;  // without its 16 fractional bits
  reg [7:0] octaves3;  // of the two steps, the last highest
  reg [6:0] share;  // of any but the largest: less than half of 255
  reg [2:0] valid3, lasts3, wins3;
  reg [7:0] shares[0:PLACES-1];
  reg [7:0] used, rest;
  reg first_share, ends3;

  // Two bits of e a row.
  function automatic [17:0] row(input [1:0] digit, input [15:0] once, input [17:0] three);
    case (digit)
      2'd0: row = 0;
      2'd1: row = {2'b0, once};
      2'd2: row = {1'b0, once, 1'b0};
      default: row = three;
    endcase
  endfunction

  reg [LOW_BITS+15:0] low_sum;
  reg [HIGH_BITS+15:0] high_sum;
  integer n;
  always @* begin
    low_sum = 0;
    high_sum = 0;
    for (n = 0; n < LOW_BITS; n = n + 2) begin
      low_sum[n+:18] = {2'b0, low_sum[n+:16]} + row(power[n+:2], reciprocal, thrice);
    end
    for (n = 0; n < HIGH_BITS; n = n + 2) begin
      high_sum[n+:18] = {2'b0, high_sum[n+:16]} + row(power[LOW_BITS+n+:2], reciprocal, thrice);
    end
  end
  wire [HIGH_BITS+15:0] parts = high_part + (HIGH_BITS+16)'(low_part >> LOW_BITS);
  wire unused_fraction = &{1'b0, parts[15-LOW_BITS:0]};
  wire [6:0] whole_share = 7'(product >> octaves3[7:4]);

  always @(posedge aclk) begin
    if (advance) begin
      index3 <= found || last3 ? 0 : index3 + 1'b1;
      low_part <= low_sum;
      high_part <= high_sum;
      product <= parts[HIGH_BITS+15-:HIGH_BITS+LOW_BITS];
      octaves3 <= {octaves3[3:0], octave3};
      share <= wins3[1] ? 0 : whole_share;
      lasts3 <= {lasts3[1:0], last3};
      wins3 <= {wins3[1:0], index3 == winner3};
      if (valid3[2]) begin
        shares[place_share] <= {wins3[2], share};
        used <= first_share ? 8'(share) : used + 8'(share);
      end
      if (ends3) rest <= 8'd255 - used;
    end
    if (!aresetn) begin
      active3 <= 0;
      place3 <= 0;
      place_share <= 0;
      valid3 <= 0;
      first_share <= 1;
      ends3 <= 0;
    end else if (advance) begin
      active3 <= found || (active3 && !last3);
      if (active3) place3 <= place3 + 1'b1;
      valid3 <= {valid3[1:0], active3};
      if (valid3[2]) begin
        first_share <= lasts3[2];
        place_share <= place_share + 1'b1;
      end
      ends3 <= valid3[2] && lasts3[2];
    end
  end

  // Pass 4.
  reg active4, valid4;
  reg [CLASS_BITS-1:0] index4;
  wire last4 = index4 == last_class;
  reg [PLACE_BITS-1:0] place4;
  wire [7:0] chosen = shares[place4];
  reg [7:0] data4;
  assign m_axis_tvalid = valid4;
  assign m_axis_tdata = data4;

  always @(posedge aclk) begin
    if (advance) begin
      index4 <= ends3 || last4 ? 0 : index4 + 1'b1;
      data4 <= chosen[7] ? rest : chosen;
    end
    if (!aresetn) begin
      active4 <= 0;
      place4 <= 0;
      valid4 <= 0;
    end else if (advance) begin
      active4 <= ends3 || (active4 && !last4);
      if (active4) place4 <= place4 + 1'b1;
      valid4 <= active4;
    end
  end
endmodule

`default_nettype wire
